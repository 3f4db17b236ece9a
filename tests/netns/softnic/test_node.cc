// SPDX-License-Identifier: Apache-2.0
#include "tests/netns/softnic/test_node.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include "common/os/files.h"
#include "common/os/process.h"
#include "common/os/unique_fd.h"

namespace sluice::testing {
namespace {

void need(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what + ": " + std::strerror(errno));
}

template <class T>
T need(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return std::move(*result);
}

void need(const Status& status) {
  if (!status) throw std::runtime_error(status.error().to_string());
}

std::vector<std::string> split(const std::string& command) {
  std::istringstream in(command);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

void put16(Bytes& bytes, std::uint32_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8U & 0xffU));
  bytes.push_back(static_cast<std::uint8_t>(value & 0xffU));
}

void put32(Bytes& bytes, std::uint32_t value) {
  put16(bytes, value >> 16U);
  put16(bytes, value & 0xffffU);
}

void put(Bytes& bytes, const MacAddr& mac) {
  bytes.insert(bytes.end(), mac.bytes.begin(), mac.bytes.end());
}

std::uint16_t checksum(const Bytes& bytes) {  // RFC 1071
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += std::uint32_t{bytes[i]} << 8U;
    if (i + 1 < bytes.size()) sum += bytes[i + 1];
  }
  while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum & 0xffffU);
}

void set16(Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8U);
  bytes[at + 1] = static_cast<std::uint8_t>(value & 0xffU);
}

}  // namespace

TestNode::TestNode() : dir_("/tmp") {
  need(::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "unshare");
  need(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "make mounts private");
  need(::mount("tmpfs", dir_.c_str(), "tmpfs", 0, nullptr) == 0, "mount a private /tmp");
  rtnl_.emplace(need(netlink::Rtnl::open()));
  run("ip link set lo up");
}

netlink::Link TestNode::link(const std::string& name) { return need(rtnl_->link(name)); }

void TestNode::add_wire(const std::string& here, const os::NetNs& other, const std::string& there,
                        const std::string& address) {
  need(rtnl_->add_veth({here, std::nullopt, std::nullopt, std::nullopt, false},
                       {there, std::nullopt, std::nullopt, other.fd(), false}));
  run("ip link set " + here + " up");
  run_in(other, "ip link set " + there + " up");
  run_in(other, "ip addr add " + address + "/24 dev " + there);
}

os::NetNs new_netns() { return need(os::NetNs::create_anonymous()); }

void run(const std::string& command) { need(os::run_checked(split(command))); }

void run_in(const os::NetNs& netns, const std::string& command) {
  need(netns.run_in([&] { return os::run_checked(split(command)); }));
}

std::string output_of(const std::string& command) {
  return need(os::run_program(split(command), {})).out;
}

void inside(const os::NetNs& netns, const std::function<void()>& work) {
  need(netns.run_in([&]() -> Status {
    work();
    return {};
  }));
}

bool run_until(os::EventLoop& loop, const std::function<bool()>& condition, Duration deadline) {
  bool met = condition();
  if (met) return true;
  const auto check = loop.every(std::chrono::milliseconds(2), [&] {
    met = condition();
    if (met) loop.stop();
  });
  const auto end = loop.after(deadline, [&] { loop.stop(); });
  loop.run();
  loop.cancel(check);
  loop.cancel(end);
  return met;
}

std::optional<Bytes> await_frame(legs::Leg& leg, const std::function<bool(const Bytes&)>& condition,
                                 Duration deadline) {
  const SteadyClock clock;
  const TimePoint end = clock.now() + deadline;
  std::array<legs::Frame, 16> frames;
  while (clock.now() < end) {
    std::optional<Bytes> found;
    const std::size_t count = leg.receive(frames);
    for (std::size_t i = 0; i < count && !found; ++i) {
      Bytes bytes(frames[i].data, frames[i].data + frames[i].length);
      if (condition(bytes)) found = std::move(bytes);
    }
    leg.release();
    if (found) return found;
    if (count != 0) continue;
    pollfd poll_fd{leg.fd(), POLLIN, 0};
    ::poll(&poll_fd, 1, 50);
  }
  return std::nullopt;
}

std::vector<Bytes> drain(legs::Leg& leg) {
  std::vector<Bytes> all;
  std::array<legs::Frame, 16> frames;
  for (std::size_t count = leg.receive(frames); count != 0; count = leg.receive(frames)) {
    for (std::size_t i = 0; i < count; ++i) {
      all.emplace_back(frames[i].data, frames[i].data + frames[i].length);
    }
    leg.release();
  }
  return all;
}

Bytes plain_frame(const MacAddr& to, const MacAddr& from, std::uint8_t mark) {
  Bytes frame;
  put(frame, to);
  put(frame, from);
  put16(frame, 0x88b5);
  frame.resize(60, mark);
  return frame;
}

Bytes arp_request(const MacAddr& from, Ipv4 sender, Ipv4 target) {
  Bytes frame;
  put(frame, mac("ff:ff:ff:ff:ff:ff"));
  put(frame, from);
  put16(frame, 0x0806);
  put16(frame, 1), put16(frame, 0x0800), put16(frame, 0x0604), put16(frame, 1);
  put(frame, from);
  put32(frame, sender.value);
  put(frame, MacAddr{});
  put32(frame, target.value);
  frame.resize(60);
  return frame;
}

Bytes udp_frame(const MacAddr& to, const MacAddr& from, Ipv4 source, Ipv4 destination,
                std::uint16_t source_port, std::uint16_t destination_port, const Bytes& payload) {
  const auto udp_length = static_cast<std::uint32_t>(8 + payload.size());
  Bytes header;
  put16(header, 0x4500), put16(header, 20 + udp_length), put32(header, 0);
  put16(header, 0x4011), put16(header, 0);
  put32(header, source.value), put32(header, destination.value);
  set16(header, 10, checksum(header));
  Bytes udp;
  put16(udp, source_port), put16(udp, destination_port), put16(udp, udp_length), put16(udp, 0);
  udp.insert(udp.end(), payload.begin(), payload.end());
  Bytes summed;
  put32(summed, source.value), put32(summed, destination.value), put16(summed, 17);
  put16(summed, udp_length);
  summed.insert(summed.end(), udp.begin(), udp.end());
  set16(udp, 6, checksum(summed));

  Bytes frame;
  put(frame, to);
  put(frame, from);
  put16(frame, 0x0800);
  frame.insert(frame.end(), header.begin(), header.end());
  frame.insert(frame.end(), udp.begin(), udp.end());
  if (frame.size() < 60) frame.resize(60);
  return frame;
}

void send_raw(const os::NetNs& netns, const std::string& netdev, const Bytes& frame) {
  inside(netns, [&] {
    const os::UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    need(static_cast<bool>(fd), "socket AF_PACKET");
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(::if_nametoindex(netdev.c_str()));
    need(::sendto(fd.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to),
                  sizeof to) == static_cast<ssize_t>(frame.size()),
         "send on " + netdev);
  });
}

}  // namespace sluice::testing
