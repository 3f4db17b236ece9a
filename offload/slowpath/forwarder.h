// SPDX-License-Identifier: Apache-2.0
// Sends packets by a Path: MACs, TTL, encapsulation; keeps them while their next hop is resolved.
//
// Contract: at most kMaxPending packets wait, kMaxPerDestination of them for one destination, for
// kPatience; what is over is dropped and counted.
// Source of rules that are not ours: RFC 7348 (VXLAN).
#pragma once

#include <functional>
#include <vector>

#include "common/base/clock.h"
#include "offload/slowpath/counters.h"
#include "offload/slowpath/packet.h"
#include "offload/slowpath/ports.h"
#include "offload/slowpath/topology.h"

namespace sluice::slowpath {

class Forwarder {
 public:
  static constexpr std::size_t kMaxPending = 256;
  static constexpr std::size_t kMaxPerDestination = 32;
  static constexpr Duration kPatience = std::chrono::seconds(3);

  using WantNextHop = std::function<void(Ipv4 destination)>;

  Forwarder(PacketPort& port, const Clock& clock, Counters& counters)
      : port_(port), clock_(clock), counters_(counters) {}

  void on_want_next_hop(WantNextHop want) { want_ = std::move(want); }

  // Largest IP packet that leaves by `path` whole.
  static std::size_t mtu_of(const Topology& topology, const Path& path);

  // One hop further: TTL and MACs are written into the packet. Requires: ttl > 1, path.kind is
  // not kNowhere, the packet fits mtu_of(path).
  void forward(const Topology& topology, Packet& packet, const Path& path);
  // A frame of our own (an ICMP error, a RST), whose TTL stays.
  void originate(const Topology& topology, Bytes frame, const Path& path);

  // Sends what waits and can go now.
  void flush_pending(const Topology& topology);
  // Drops what has waited too long.
  void expire();

 private:
  struct Pending {
    std::vector<std::uint8_t> frame;
    Path path;
    TimePoint deadline;
  };

  void emit(const Topology& topology, Bytes frame, const Path& path);
  void emit_tunnelled(const Topology& topology, Bytes frame, const Path& path,
                      const model::NextHop& hop);
  void hold(Bytes frame, const Path& path);

  PacketPort& port_;
  const Clock& clock_;
  Counters& counters_;
  WantNextHop want_;
  std::vector<Pending> pending_;
  std::vector<std::uint8_t> scratch_;
};

}  // namespace sluice::slowpath
