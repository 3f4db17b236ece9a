// SPDX-License-Identifier: Apache-2.0
// Announcements as a peer sees them. The peer's end of a veth is up or down: that is the carrier of
// the pod's.
#include "sriov-cni/announce/announce.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "common/netlink/link_wait.h"
#include "common/os/unique_fd.h"

using namespace sluice;
using namespace sluice::cni;

namespace {

using Frame = std::vector<std::uint8_t>;

const MacAddr kMac{{0x02, 0, 0, 0, 0xaa, 0x01}};

class TwoEnds {
 public:
  TwoEnds() {
    auto rtnl = *netlink::Rtnl::open_in(pod);
    netlink::VethEnd mine{"eth0", kMac, {}, {}, true};
    netlink::VethEnd theirs{"peer0", {}, {}, peer.fd(), false};
    REQUIRE(rtnl.add_veth(mine, theirs));
    link = rtnl.link("eth0")->index;
    peer_link = peer_rtnl.link("peer0")->index;
    for (const auto* each : {"10.1.2.3/24", "10.9.9.9/24", "10.1.2.4/24"}) {
      const auto prefix = *IpPrefix::parse(each);
      REQUIRE(rtnl.add_address({link, *prefix.address.v4(), prefix.length}));
    }
    open_tap();
  }

  void set_carrier(bool on) {
    netlink::LinkChange change;
    change.up = on;
    REQUIRE(peer_rtnl.change_link(peer_link, change));
    if (!on) return;
    const auto as_wanted = [](const netlink::Link& now) { return now.oper_state == IF_OPER_UP; };
    REQUIRE(netlink::wait_link(pod, link, as_wanted, std::chrono::seconds(30)));
  }

  // The next frame of the pod's MAC that is an ARP packet or an advertisement; the kernel sends
  // others of its own. None within 30 s: unset.
  std::optional<Frame> next() const {
    while (true) {
      pollfd entry{tap_.get(), POLLIN, 0};
      if (::poll(&entry, 1, 30000) != 1) return std::nullopt;
      Frame frame(2048);
      const auto got = ::recv(tap_.get(), frame.data(), frame.size(), 0);
      if (got < 14) continue;
      frame.resize(static_cast<std::size_t>(got));
      const bool arp = frame[12] == 0x08 && frame[13] == 0x06;
      const bool advertisement = frame.size() > 54 && frame[12] == 0x86 && frame[54] == 136;
      const bool ours = std::equal(kMac.bytes.begin(), kMac.bytes.end(), frame.begin() + 6);
      if (ours && (arp || advertisement)) return frame;
    }
  }

  os::NetNs pod = *os::NetNs::create_anonymous();
  os::NetNs peer = *os::NetNs::create_anonymous();
  netlink::Rtnl peer_rtnl = *netlink::Rtnl::open_in(peer);
  netlink::IfIndex link, peer_link;

 private:
  // On a link that is down already: it hears from the first frame on.
  void open_tap() {
    REQUIRE(peer.run_in([this]() -> Status {
      tap_.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
      return {};
    }));
    sockaddr_ll here{};
    here.sll_family = AF_PACKET;
    here.sll_protocol = htons(ETH_P_ALL);
    here.sll_ifindex = static_cast<int>(peer_link.value);
    REQUIRE(::bind(tap_.get(), reinterpret_cast<sockaddr*>(&here), sizeof here) == 0);
  }

  os::UniqueFd tap_;
};

// While it lives, a process without a parent is this one's.
class Reaper {
 public:
  Reaper() { REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0); }
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;
  ~Reaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 0); }
  // Blocks until one has ended; its wait status, or -1 where there is none.
  static int reap() {
    int status = -1;
    while (::waitpid(-1, &status, 0) < 0) {
      if (errno != EINTR) return -1;
    }
    return status;
  }
  static bool none_left() { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }
};

const Frame kArp{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0,
                 0xaa, 0x01, 0x08, 0x06,                              // Ethernet
                 0,    1,    0x08, 0,    6,    4,    0,    1,         // request
                 0x02, 0,    0,    0,    0xaa, 0x01, 10,   1, 2, 3,   // sender
                 0,    0,    0,    0,    0,    0,    10,   1, 2, 3};  // target

// From fd00::5 to all nodes: solicited no, override yes, its target and link-layer address.
const Frame kAdvertisement{
    0x33, 0x33, 0,    0,    0,    1,  0x02, 0,    0,    0,   0xaa, 0x01, 0x86, 0xdd,  // Ethernet
    0x60, 0,    0,    0,    0,    32, 58,   255,                                      // IPv6
    0xfd, 0,    0,    0,    0,    0,  0,    0,    0,    0,   0,    0,    0,    0,
    0,    5,    0xff, 0x02, 0,    0,  0,    0,    0,    0,   0,    0,    0,    0,
    0,    0,    0,    1,    136,  0,  0xb0, 0x92, 0x20, 0,   0,    0,  // ICMPv6
    0xfd, 0,    0,    0,    0,    0,  0,    0,    0,    0,   0,    0,    0,    0,
    0,    5,    2,    1,    0x02, 0,  0,    0,    0xaa, 0x01};

const IpPrefix kFirst = *IpPrefix::parse("10.1.2.3/24");
const std::vector<IpPrefix> kAddresses{kFirst, *IpPrefix::parse("fd00::5/64")};

// The sum that a receiver makes over pseudo header and message: all ones when it is right.
std::uint32_t receivers_sum(const Frame& frame) {
  std::uint32_t sum = 32 + 58;
  for (std::size_t at = 22; at + 1 < frame.size(); at += 2) {
    sum += static_cast<std::uint32_t>(frame[at] * 256 + frame[at + 1]);
  }
  while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
  return sum;
}

}  // namespace

TEST_CASE("With carrier the caller itself sends, each address once") {
  const Reaper reaper;
  TwoEnds ends;
  ends.set_carrier(true);
  REQUIRE(announce(ends.pod, ends.link, kMac, kAddresses));
  CHECK(Reaper::none_left());  // no process was needed
  CHECK(ends.next() == kArp);
  const auto advertisement = ends.next();
  CHECK(advertisement == kAdvertisement);
  CHECK(receivers_sum(*advertisement) == 0xffff);
  REQUIRE(announce(ends.pod, ends.link, kMac, {kFirst}));
  CHECK(ends.next() == kArp);  // and nothing else came in between
}

TEST_CASE("A second address of one network is announced as itself, and no neighbour is left") {
  TwoEnds ends;
  ends.set_carrier(true);
  REQUIRE(announce(ends.pod, ends.link, kMac, {kFirst, *IpPrefix::parse("10.1.2.4/24")}));
  CHECK(ends.next() == kArp);
  auto second = kArp;
  second[31] = second[41] = 4;
  CHECK(ends.next() == second);
  auto there = *netlink::Rtnl::open_in(ends.pod);
  CHECK(there.neighbours(ends.link)->empty());
}

TEST_CASE("Without carrier a process waits, which holds nothing of the caller's") {
  const Reaper reaper;
  TwoEnds ends;
  int held[2];
  REQUIRE(::pipe(held) == 0);  // as the runtime's pipes on stdout and stderr
  REQUIRE(announce(ends.pod, ends.link, kMac, kAddresses));
  ::close(held[1]);
  char byte = 0;
  CHECK(::read(held[0], &byte, 1) == 0);  // the end comes while the process waits
  ::close(held[0]);
  ends.set_carrier(true);
  CHECK(ends.next() == kArp);
  CHECK(ends.next() == kAdvertisement);
  CHECK(Reaper::reap() == 0);
  CHECK(Reaper::none_left());
}

TEST_CASE("Carrier that never comes: the process ends by itself and sends nothing") {
  const Reaper reaper;
  TwoEnds ends;
  REQUIRE(announce(ends.pod, ends.link, kMac, kAddresses));
  CHECK(Reaper::reap() == 0);  // its own end, not a signal
  ends.set_carrier(true);
  REQUIRE(announce(ends.pod, ends.link, kMac, {*IpPrefix::parse("10.9.9.9/24")}));
  const auto first = ends.next();
  REQUIRE(first);
  CHECK(std::vector<std::uint8_t>(first->end() - 4, first->end()) ==
        std::vector<std::uint8_t>{10, 9, 9, 9});
}

TEST_CASE("A link that goes away while it is waited for ends the wait") {
  const Reaper reaper;
  TwoEnds ends;
  REQUIRE(announce(ends.pod, ends.link, kMac, kAddresses));
  REQUIRE(ends.peer_rtnl.delete_link(ends.peer_link));
  CHECK(Reaper::reap() == 0);
}

TEST_CASE("What can't be announced is said") {
  TwoEnds ends;
  CHECK(announce(ends.pod, ends.link, kMac, {}));
  CHECK(announce(ends.pod, ends.link, MacAddr{}, kAddresses).error().code == Code::kUnsupported);
  CHECK(announce(ends.pod, netlink::IfIndex{9999}, kMac, kAddresses).error().code ==
        Code::kNotFound);
}
