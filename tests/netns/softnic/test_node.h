// SPDX-License-Identifier: Apache-2.0
// A machine of its own for one test case: fresh network and mount namespaces for the test's thread.
//
// Contract: construct it first in a test case, before any thread. Everything made in it, also the
// files below dir() and namespaces bound there, is gone when the process is, however it ends.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/addr.h"
#include "common/base/clock.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/event_loop.h"
#include "common/os/netns.h"
#include "offload/legs/leg.h"

namespace sluice::testing {

using Bytes = std::vector<std::uint8_t>;

class TestNode {
 public:
  TestNode();  // throws std::runtime_error: a test without its machine can't go on
  const std::string& dir() const { return dir_; }
  netlink::Rtnl& rtnl() { return *rtnl_; }
  netlink::Link link(const std::string& name);
  // A veth pair: `here` in this node, `there` in `other` with `address`/24, both up.
  void add_wire(const std::string& here, const os::NetNs& other, const std::string& there,
                const std::string& address);

 private:
  std::string dir_;
  std::optional<netlink::Rtnl> rtnl_;
};

os::NetNs new_netns();
// Runs a command line (no quoting, split at spaces) in the thread's or in another namespace.
void run(const std::string& command);
void run_in(const os::NetNs& netns, const std::string& command);
std::string output_of(const std::string& command);
// Does something in another namespace and rethrows nothing: for sockets and the like.
void inside(const os::NetNs& netns, const std::function<void()>& work);

// Runs the loop until the condition holds; false after the deadline.
bool run_until(os::EventLoop& loop, const std::function<bool()>& condition,
               Duration deadline = std::chrono::seconds(10));

// Receives until a frame satisfies the condition; a copy of it. Nothing after the deadline.
std::optional<Bytes> await_frame(legs::Leg& leg, const std::function<bool(const Bytes&)>& condition,
                                 Duration deadline = std::chrono::seconds(10));
// All frames that wait now. Use it after something later has been seen to arrive.
std::vector<Bytes> drain(legs::Leg& leg);

// An Ethernet frame with an experimental EtherType (IEEE 802: 0x88b5), padded to 60 bytes.
Bytes plain_frame(const MacAddr& to, const MacAddr& from, std::uint8_t mark);
// A broadcast ARP request.
Bytes arp_request(const MacAddr& from, Ipv4 sender, Ipv4 target);
// IPv4 + UDP with right checksums.
Bytes udp_frame(const MacAddr& to, const MacAddr& from, Ipv4 source, Ipv4 destination,
                std::uint16_t source_port, std::uint16_t destination_port, const Bytes& payload);
void send_raw(const os::NetNs& netns, const std::string& netdev, const Bytes& frame);

inline MacAddr mac(const char* text) { return MacAddr::parse(text).value(); }
inline Ipv4 ip(const char* text) { return Ipv4::parse(text).value(); }

}  // namespace sluice::testing
