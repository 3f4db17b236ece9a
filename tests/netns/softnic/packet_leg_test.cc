// SPDX-License-Identifier: Apache-2.0
#include "offload/legs/packet_leg.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "common/os/unique_fd.h"
#include "tests/netns/softnic/test_node.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

std::unique_ptr<legs::Leg> leg_on(TestNode& node, const std::string& name,
                                  std::uint32_t mtu = 1500) {
  legs::PacketLegOptions options;
  options.mtu = mtu;
  auto leg = legs::open_packet_leg(os::NetNs::current().value(), node.link(name).index, options);
  REQUIRE_MESSAGE(leg, leg.error().to_string());
  return std::move(*leg);
}

struct Seen {
  std::uint32_t longest = 0;
  std::size_t tcp_gso = 0, partial = 0;
  bool headroom_kept = true;
};

// Moves frames between two legs until it is told to stop.
void relay(legs::Leg& a, legs::Leg& b, const std::atomic<bool>& stop, Seen& seen) {
  std::array<legs::Frame, 32> frames;
  while (!stop) {
    std::array<pollfd, 2> fds{{{a.fd(), POLLIN, 0}, {b.fd(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), 20);
    for (auto [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
      const std::size_t count = from->receive(frames);
      for (std::size_t i = 0; i < count; ++i) {
        seen.longest = std::max(seen.longest, frames[i].length);
        seen.tcp_gso += frames[i].offload.gso == legs::Gso::kTcp4 ? 1 : 0;
        seen.partial += frames[i].offload.partial_checksum ? 1 : 0;
        seen.headroom_kept = seen.headroom_kept && frames[i].headroom >= legs::kHeadroom;
        to->transmit(frames[i]);
      }
      to->flush();
      from->release();
    }
  }
}

sockaddr_in address_of(const char* text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

// A virtio_net_hdr that says "TCP over IPv6, segments of 100 bytes", and such a frame. Legs refuse
// it: Offload can't say that.
Bytes tcp6_superpacket() {
  constexpr std::uint8_t kL4 = 54, kTcp6 = 4;
  Bytes bytes{1, kTcp6, kL4 + 20, 0, 100, 0, kL4, 0, 16, 0};  // little-endian, as this machine is
  const Bytes head = plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 0);
  bytes.insert(bytes.end(), head.begin(), head.begin() + 12);
  const Bytes ip{0x86, 0xdd, 0x60, 0, 0, 0, 1, 64, 6, 64};  // 20 + 300 bytes, TCP, 64 hops
  bytes.insert(bytes.end(), ip.begin(), ip.end());
  for (const std::uint8_t last : {std::uint8_t{1}, std::uint8_t{2}}) {
    Bytes address(16);
    address[0] = 0xfd;
    address[15] = last;
    bytes.insert(bytes.end(), address.begin(), address.end());
  }
  Bytes tcp(20 + 300);
  tcp[12] = 0x50;  // a header of 20 bytes
  tcp[13] = 0x10;  // ACK
  bytes.insert(bytes.end(), tcp.begin(), tcp.end());
  return bytes;
}

std::uint8_t pattern(std::size_t at) { return static_cast<std::uint8_t>(at * 7 + at / 251); }

}  // namespace

TEST_CASE("TCP between two untouched pods passes two legs in superpackets and arrives unharmed") {
  TestNode node;
  const os::NetNs server = new_netns(), client = new_netns();
  node.add_wire("repa", server, "eth0", "10.0.0.1");
  node.add_wire("repb", client, "eth0", "10.0.0.2");
  auto a = leg_on(node, "repa"), b = leg_on(node, "repb");

  os::UniqueFd listener, sender;
  inside(server, [&] {
    listener.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in at = address_of("10.0.0.1", 5000);
    CHECK(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    CHECK(::listen(listener.get(), 1) == 0);
  });
  inside(client, [&] { sender.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); });

  std::atomic<bool> stop = false;
  Seen seen;
  std::thread relaying([&] { relay(*a, *b, stop, seen); });
  constexpr std::size_t kBytes = 16U << 20U;
  std::thread sending([&] {
    const sockaddr_in to = address_of("10.0.0.1", 5000);
    Bytes block(kBytes);
    for (std::size_t i = 0; i < kBytes; ++i) block[i] = pattern(i);
    if (::connect(sender.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return;
    for (std::size_t at = 0; at < kBytes;) {
      const ssize_t sent = ::send(sender.get(), block.data() + at, kBytes - at, MSG_NOSIGNAL);
      if (sent <= 0) return;
      at += static_cast<std::size_t>(sent);
    }
    ::shutdown(sender.get(), SHUT_WR);
  });
  const timeval patience{20, 0};
  ::setsockopt(listener.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const os::UniqueFd receiver(::accept(listener.get(), nullptr, nullptr));
  std::size_t received = 0, wrong = 0;
  Bytes buffer(1U << 20U);
  ::setsockopt(receiver.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  for (ssize_t got; (got = ::recv(receiver.get(), buffer.data(), buffer.size(), 0)) > 0;) {
    for (ssize_t i = 0; i < got; ++i, ++received) {
      wrong += buffer[static_cast<std::size_t>(i)] != pattern(received) ? 1 : 0;
    }
  }
  if (received != kBytes) ::shutdown(sender.get(), SHUT_RDWR);  // ends a sender that is stuck
  sending.join();
  stop = true;
  relaying.join();
  CHECK(received == kBytes);
  CHECK(wrong == 0);
  CHECK(seen.tcp_gso > 0);
  CHECK(seen.partial > 0);
  CHECK(seen.longest > 10'000);
  CHECK(seen.headroom_kept);
  CHECK(a->stats().tx_bytes >= kBytes);
  CHECK(b->stats().rx_bytes >= kBytes);
}

TEST_CASE("a VLAN tag that the kernel takes off is in the received frame") {
  TestNode node;
  const os::NetNs pod = new_netns();
  node.add_wire("rep", pod, "eth0", "10.0.0.1");
  auto leg = leg_on(node, "rep");
  Bytes frame = plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 0x5a);
  const Bytes tag{0x81, 0x00, 0x60, 0x07};  // priority 3, VLAN 7
  frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  send_raw(pod, "eth0", frame);
  const auto got = await_frame(*leg, [](const Bytes& bytes) { return bytes.back() == 0x5a; });
  REQUIRE(got);
  CHECK(*got == frame);
}

TEST_CASE("the leg doesn't see what goes out by its netdev, and what it sends arrives") {
  TestNode node;
  const os::NetNs pod = new_netns();
  node.add_wire("rep", pod, "eth0", "10.0.0.1");
  auto leg = leg_on(node, "rep");
  std::unique_ptr<legs::Leg> far;
  inside(pod, [&] {
    auto rtnl = netlink::Rtnl::open().value();
    far = legs::open_packet_leg(os::NetNs::current().value(), rtnl.link("eth0")->index, {}).value();
  });
  const MacAddr one = mac("02:00:00:00:00:01"), two = mac("02:00:00:00:00:02");
  send_raw(os::NetNs::current().value(), "rep", plain_frame(one, two, 1));  // the host, outwards
  Bytes mine = plain_frame(one, two, 2);
  leg->transmit({mine.data(), static_cast<std::uint32_t>(mine.size()), 0, {}});
  leg->flush();
  bool got_first = false;
  CHECK(await_frame(*far, [&](const Bytes& bytes) {
    got_first = got_first || bytes.back() == 1;
    return bytes == mine;
  }));
  CHECK(got_first);
  send_raw(pod, "eth0", plain_frame(two, one, 3));
  bool saw_own = false;
  CHECK(await_frame(*leg, [&](const Bytes& bytes) {
    const bool experimental = bytes[12] == 0x88 && bytes[13] == 0xb5;
    saw_own = saw_own || (experimental && bytes.back() < 3);
    return experimental && bytes.back() == 3;
  }));
  CHECK_FALSE(saw_own);
}

TEST_CASE("frames longer than a ring slot arrive whole and in order with short ones") {
  TestNode node;
  const os::NetNs pod = new_netns();
  node.add_wire("rep", pod, "eth0", "10.0.0.1");
  run("ip link set rep mtu 9000");
  run_in(pod, "ip link set eth0 mtu 9000");
  auto leg = leg_on(node, "rep");  // slots for 1500 only
  constexpr int kFrames = 40;
  for (int i = 0; i < kFrames; ++i) {
    Bytes frame = plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 0);
    frame.resize(i % 2 == 0 ? 9000 : 60, static_cast<std::uint8_t>(i));
    frame[14] = static_cast<std::uint8_t>(i);
    send_raw(pod, "eth0", frame);
  }
  int next = 0;
  await_frame(*leg, [&](const Bytes& bytes) {
    if (bytes[12] != 0x88 || bytes[13] != 0xb5) return false;
    CHECK(bytes[14] == next);
    CHECK(bytes.size() == (next % 2 == 0 ? 9000 : 60));
    return ++next == kFrames;
  });
  CHECK(next == kFrames);
  CHECK(leg->stats().rx_dropped == 0);
}

TEST_CASE("a full ring drops, counts, and works again") {
  TestNode node;
  const os::NetNs pod = new_netns();
  node.add_wire("rep", pod, "eth0", "10.0.0.1");
  auto leg = leg_on(node, "rep");
  const Bytes frame = plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 1);
  auto far_leg = [&] {
    std::unique_ptr<legs::Leg> result;
    inside(pod, [&] {
      auto rtnl = netlink::Rtnl::open().value();
      result =
          legs::open_packet_leg(os::NetNs::current().value(), rtnl.link("eth0")->index, {}).value();
    });
    return result;
  }();
  Bytes copy = frame;
  for (int i = 0; i < 3000; ++i) {
    far_leg->transmit({copy.data(), static_cast<std::uint32_t>(copy.size()), 0, {}});
  }
  far_leg->flush();
  CHECK(far_leg->stats().tx_packets == 3000);
  const std::size_t got = drain(*leg).size();
  CHECK(got >= 1024);
  CHECK(leg->stats().rx_dropped > 0);
  send_raw(pod, "eth0", plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 9));
  CHECK(await_frame(*leg, [](const Bytes& bytes) { return bytes.back() == 9; }));
}

TEST_CASE("frames that are refused are counted, and however many come in a row the leg works on") {
  TestNode node;
  const os::NetNs pod = new_netns();
  inside(pod, [] {  // or else the pod's kernel sends something of its own now and then
    for (const char* which : {"all", "default"}) {
      const std::string path =
          std::string("/proc/sys/net/ipv6/conf/").append(which) + "/disable_ipv6";
      const os::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
      CHECK((!fd || ::write(fd.get(), "1", 1) == 1));
    }
  });
  node.add_wire("rep", pod, "eth0", "10.0.0.1");
  auto leg = leg_on(node, "rep");
  os::UniqueFd sender;
  inside(pod, [&] {
    sender.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    const int on = 1;
    REQUIRE(::setsockopt(sender.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0);
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    REQUIRE(::bind(sender.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  });
  const Bytes refused = tcp6_superpacket();
  drain(*leg);
  const auto before = leg->stats();
  std::array<legs::Frame, 32> frames;
  std::uint64_t sent = 0;
  const std::uint64_t wanted = legs::kRingBytes / 2048 * 3;  // three rings full
  for (; sent < wanted; ++sent) {
    REQUIRE(::send(sender.get(), refused.data(), refused.size(), 0) ==
            static_cast<ssize_t>(refused.size()));
    // As a datapath that has nothing to do with what it doesn't get.
    if (sent % 100 == 99) CHECK(leg->receive(frames) == 0);
  }
  CHECK(leg->receive(frames) == 0);
  const auto after = leg->stats();
  CHECK(after.rx_dropped - before.rx_dropped == sent);
  CHECK(after.rx_packets == before.rx_packets);

  // Some before and behind a good one that is still lent: it is untouched until release().
  send_raw(pod, "eth0", plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 7));
  REQUIRE(leg->receive(frames) == 1);
  const legs::Frame good = frames[0];
  const std::uint64_t slots = legs::kRingBytes / 2048;
  for (std::uint64_t i = 0; i < slots + 10; ++i) {
    REQUIRE(::send(sender.get(), refused.data(), refused.size(), 0) > 0);
    if (i % 100 == 99) CHECK(leg->receive(std::span(frames).subspan(1)) == 0);
  }
  CHECK(Bytes(good.data, good.data + good.length) ==
        plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 7));
  leg->release();
  send_raw(pod, "eth0", plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 8));
  CHECK(await_frame(*leg, [](const Bytes& bytes) { return bytes.back() == 8; }));
}

TEST_CASE("what can't be sent is counted: wrong offloads, wrong lengths, a link that is down") {
  TestNode node;
  const os::NetNs pod = new_netns();
  node.add_wire("rep", pod, "eth0", "10.0.0.1");
  auto leg = leg_on(node, "rep");
  Bytes bytes = plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 1);
  legs::Frame frame{bytes.data(), static_cast<std::uint32_t>(bytes.size()), 0, {}};
  frame.offload.partial_checksum = true;
  frame.offload.checksum_start = 60;
  leg->transmit(frame);
  leg->transmit({bytes.data(), 13, 0, {}});
  leg->flush();
  CHECK(leg->stats().tx_dropped == 2);
  run("ip link set rep down");
  for (int i = 0; i < 3; ++i) leg->transmit({bytes.data(), 60, 0, {}});
  leg->flush();
  CHECK(leg->stats().tx_dropped == 5);
  CHECK(leg->stats().tx_packets == 0);
  run("ip link set rep up");
  drain(*leg), drain(*leg);  // as its owner does, who is woken by the error
  leg->transmit({bytes.data(), 60, 0, {}});
  leg->flush();
  CHECK(leg->stats().tx_packets == 1);
  CHECK(leg->stats().tx_dropped == 5);
}

TEST_CASE("a link that goes down and up keeps its leg, one that is deleted ends it") {
  TestNode node;
  const os::NetNs pod = new_netns();
  node.add_wire("rep", pod, "eth0", "10.0.0.1");
  auto leg = leg_on(node, "rep");
  run("ip link set rep down");
  drain(*leg), drain(*leg);
  CHECK(leg->alive());
  run("ip link set rep up");
  send_raw(pod, "eth0", plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 4));
  CHECK(await_frame(*leg, [](const Bytes& bytes) { return bytes.back() == 4; }));

  run("ip link del rep");
  pollfd poll_fd{leg->fd(), POLLIN, 0};
  CHECK(::poll(&poll_fd, 1, 10'000) == 1);  // its owner is woken
  drain(*leg), drain(*leg);
  CHECK_FALSE(leg->alive());
  Bytes frame = plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 5);
  leg->transmit({frame.data(), 60, 0, {}});
  leg->flush();
  CHECK(leg->stats().tx_dropped >= 1);
}

TEST_CASE("a leg on nothing is an error") {
  TestNode node;
  const auto none = legs::open_packet_leg(os::NetNs::current().value(), {0}, {});
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Code::kInvalid);
  CHECK_FALSE(legs::open_packet_leg(os::NetNs::current().value(), {4711}, {}));
}
