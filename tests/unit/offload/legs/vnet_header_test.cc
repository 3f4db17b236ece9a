// SPDX-License-Identifier: Apache-2.0
#include "offload/legs/vnet_header.h"

#include <doctest/doctest.h>

#include <vector>

using namespace sluice::legs;

namespace {

// As the kernel writes it on a little-endian machine: flags, type, hdr_len, gso_size, start,
// offset.
VnetHeader header_of(std::uint8_t flags, std::uint8_t type, std::uint16_t hdr_len,
                     std::uint16_t gso_size, std::uint16_t start, std::uint16_t offset) {
  VnetHeader header{flags, type};
  const auto put = [&](std::size_t at, std::uint16_t value) {
    header[at] = static_cast<std::uint8_t>(value & 0xffU);
    header[at + 1] = static_cast<std::uint8_t>(value >> 8U);
  };
  put(2, hdr_len), put(4, gso_size), put(6, start), put(8, offset);
  return header;
}

struct TcpFrame {
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(4000);
  Frame frame;
  explicit TcpFrame(std::uint8_t words) {
    bytes[34 + 12] = static_cast<std::uint8_t>(words << 4U);
    frame = Frame{bytes.data(), static_cast<std::uint32_t>(bytes.size()), 0, {}};
    frame.offload = {true, 34, 16, Gso::kTcp4, 1448};
  }
};

}  // namespace

TEST_CASE("a TCP superpacket is read and written alike, its header length with the options") {
  const VnetHeader header = header_of(1, 1, 34 + 32, 1448, 34, 16);
  const auto offload = parse_vnet_header(header, 4000);
  REQUIRE(offload);
  CHECK(offload->partial_checksum);
  CHECK(offload->checksum_start == 34);
  CHECK(offload->checksum_offset == 16);
  CHECK(offload->gso == Gso::kTcp4);
  CHECK(offload->gso_size == 1448);
  const TcpFrame tcp(8);
  const auto made = make_vnet_header(tcp.frame);
  REQUIRE(made);
  CHECK(*made == header);
}

TEST_CASE("UDP segmentation, congestion mark, valid data and nothing at all") {
  const auto udp = parse_vnet_header(header_of(1, 5, 42, 1400, 34, 6), 5000);
  REQUIRE(udp);
  CHECK(udp->gso == Gso::kUdp4);
  const auto ecn = parse_vnet_header(header_of(1, 0x81, 54, 1400, 34, 16), 5000);
  REQUIRE(ecn);
  CHECK(ecn->gso == Gso::kTcp4);
  const auto valid = parse_vnet_header(header_of(2, 0, 0, 0, 0, 0), 60);
  REQUIRE(valid);
  CHECK_FALSE(valid->partial_checksum);
  Frame plain;
  CHECK(make_vnet_header(plain) == VnetHeader{});
}

TEST_CASE("offloads that can't be said or point outside of the frame are refused") {
  CHECK_FALSE(parse_vnet_header(header_of(1, 4, 74, 1400, 54, 16), 5000));  // TCP over IPv6
  CHECK_FALSE(parse_vnet_header(header_of(1, 3, 42, 1400, 34, 6), 5000));   // UFO
  CHECK_FALSE(parse_vnet_header(header_of(1, 0, 0, 0, 60, 16), 60));
  CHECK_FALSE(parse_vnet_header(header_of(1, 0, 0, 0, 0xffff, 0xffff), 60));
  CHECK_FALSE(parse_vnet_header(header_of(1, 1, 54, 0, 34, 16), 5000));  // no segment size

  TcpFrame tcp(4);  // a TCP header of 16 bytes
  CHECK_FALSE(make_vnet_header(tcp.frame));
  TcpFrame beyond(5);
  beyond.frame.length = 50;
  CHECK_FALSE(make_vnet_header(beyond.frame));
  TcpFrame unsummed(5);
  unsummed.frame.offload.partial_checksum = false;
  CHECK_FALSE(make_vnet_header(unsummed.frame));
}
