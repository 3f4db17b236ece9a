// SPDX-License-Identifier: Apache-2.0
#include "offload/legs/memory_leg.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <array>
#include <thread>
#include <vector>

using namespace sluice;
using namespace sluice::legs;

namespace {

bool readable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  return ::poll(&poll_fd, 1, 0) == 1;
}

std::vector<std::uint8_t> numbered(std::size_t size, std::uint8_t first) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
  return bytes;
}

Frame frame_of(std::vector<std::uint8_t>& bytes) {
  return Frame{bytes.data(), static_cast<std::uint32_t>(bytes.size()), 0, {}};
}

}  // namespace

TEST_CASE("frames go in order to the leg, with headroom and their offload") {
  auto wire = MemoryWire::create();
  REQUIRE(wire);
  MemoryLeg leg(*wire);
  CHECK_FALSE(readable(leg.fd()));
  const auto one = numbered(60, 1), two = numbered(1514, 9);
  Offload offload;
  offload.partial_checksum = true;
  offload.checksum_start = 34;
  offload.checksum_offset = 16;
  CHECK((*wire)->push(one));
  CHECK((*wire)->push(two, offload));
  CHECK(readable(leg.fd()));

  std::array<Frame, 8> frames;
  REQUIRE(leg.receive(std::span(frames).first(1)) == 1);
  CHECK(readable(leg.fd()));
  REQUIRE(leg.receive(std::span(frames).subspan(1)) == 1);
  CHECK_FALSE(readable(leg.fd()));
  CHECK(std::vector<std::uint8_t>(frames[0].data, frames[0].data + frames[0].length) == one);
  CHECK(std::vector<std::uint8_t>(frames[1].data, frames[1].data + frames[1].length) == two);
  CHECK(frames[1].offload.checksum_start == 34);
  CHECK(frames[0].headroom >= kHeadroom);
  for (std::uint32_t i = 1; i <= kHeadroom; ++i) frames[0].data[-static_cast<int>(i)] = 0xee;
  leg.release();
  CHECK(leg.stats().rx_packets == 2);
  CHECK(leg.stats().rx_bytes == 1574);
}

TEST_CASE("what is sent arrives at the flush, copied") {
  auto wire = MemoryWire::create();
  REQUIRE(wire);
  MemoryLeg leg(*wire);
  auto bytes = numbered(64, 3);
  leg.transmit(frame_of(bytes));
  CHECK_FALSE((*wire)->take());
  bytes[0] = 0xff;
  leg.flush();
  const auto got = (*wire)->take();
  REQUIRE(got);
  CHECK(got->bytes == numbered(64, 3));
  CHECK(leg.stats().tx_packets == 1);
}

TEST_CASE("a leg without offload drops and counts what it can't say") {
  auto wire = MemoryWire::create({.accepts_offload = false});
  REQUIRE(wire);
  MemoryLeg leg(*wire);
  CHECK_FALSE(leg.accepts_offload());
  auto bytes = numbered(64, 3);
  Frame frame = frame_of(bytes);
  frame.offload.partial_checksum = true;
  leg.transmit(frame);
  leg.flush();
  CHECK_FALSE((*wire)->take());
  CHECK(leg.stats().tx_dropped == 1);
}

TEST_CASE("queues are bounded in both directions") {
  auto wire = MemoryWire::create({.accepts_offload = true, .depth = 2});
  REQUIRE(wire);
  MemoryLeg leg(*wire);
  auto bytes = numbered(64, 3);
  CHECK((*wire)->push(bytes));
  CHECK((*wire)->push(bytes));
  CHECK_FALSE((*wire)->push(bytes));
  CHECK(leg.stats().rx_dropped == 1);
  for (int i = 0; i < 3; ++i) leg.transmit(frame_of(bytes));
  leg.flush();
  CHECK(leg.stats().tx_packets == 2);
  CHECK(leg.stats().tx_dropped == 1);
  CHECK_FALSE((*wire)->push(std::vector<std::uint8_t>(kMaxFrame + 1)));
}

TEST_CASE("a cut wire ends the leg and wakes its owner") {
  auto wire = MemoryWire::create();
  REQUIRE(wire);
  MemoryLeg leg(*wire);
  CHECK(leg.alive());
  (*wire)->cut();
  CHECK_FALSE(leg.alive());
  CHECK(readable(leg.fd()));
}

TEST_CASE("pushing and taking from another thread loses nothing") {
  auto wire = MemoryWire::create();
  REQUIRE(wire);
  MemoryLeg leg(*wire);
  constexpr int kCount = 1000;
  std::thread far([&] {
    for (int i = 0; i < kCount; ++i) (*wire)->push(numbered(60, static_cast<std::uint8_t>(i)));
  });
  int echoed = 0;
  std::array<Frame, 32> frames;
  while (echoed < kCount) {
    pollfd poll_fd{leg.fd(), POLLIN, 0};
    REQUIRE(::poll(&poll_fd, 1, 10'000) == 1);
    const std::size_t count = leg.receive(frames);
    for (std::size_t i = 0; i < count; ++i) leg.transmit(frames[i]);
    leg.flush();
    leg.release();
    echoed += static_cast<int>(count);
  }
  far.join();
  for (int i = 0; i < kCount; ++i) {
    const auto got = (*wire)->take();
    REQUIRE(got);
    REQUIRE(got->bytes == numbered(60, static_cast<std::uint8_t>(i)));
  }
}
