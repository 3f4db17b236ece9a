// SPDX-License-Identifier: Apache-2.0
// The bookkeeping of NextHops without a kernel: which destinations, by which next hop, with what
// id.
//
// Contract: time is counted in ticks of whoever owns it. A destination that isn't kept goes when
// nobody has wanted it for kUnresolvedTicks (without a MAC: a scan leaves thousands of those) or
// kIdleTicks. Connections that use a resolved one don't want it again and again, so that limit is
// long; they just want it once more when it is gone. Threading: one thread at a time.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "common/base/addr.h"
#include "offload/model/intent.h"

namespace sluice::host {

inline constexpr std::uint64_t kUnresolvedTicks = 3;
inline constexpr std::uint64_t kIdleTicks = 60;

class NextHopTable {
 public:
  explicit NextHopTable(std::size_t capacity) : capacity_(capacity) {}

  // True: the destination is new and needs set_route(). Makes room by dropping the least recently
  // wanted one; when all are kept, the new one isn't taken (false).
  bool want(Ipv4 destination);
  void keep(std::set<Ipv4> destinations) { kept_ = std::move(destinations); }
  // One tick has passed. True: next_hops() or routes() has changed.
  bool tick();
  // There is something that a tick could let go. Kept ones that aren't want()ed yet hide it.
  bool ages() const { return destinations_.size() > kept_.size(); }
  // The next hop of a destination; none: not by the uplink. True: something changed.
  bool set_route(Ipv4 destination, std::optional<Ipv4> next_hop);
  // What is known of a next hop; a MAC of zero: unresolved. True: something changed.
  bool set_mac(Ipv4 next_hop, const MacAddr& mac);

  bool has_next_hop(Ipv4 ip) const { return hops_.contains(ip); }
  std::vector<Ipv4> destinations() const;
  std::vector<model::NextHop> next_hops() const;
  std::vector<model::OuterRoute> routes() const;

 private:
  struct Destination {
    std::list<Ipv4>::iterator age;
    std::optional<Ipv4> next_hop;
    std::uint64_t wanted = 0;  // the tick of the last time
  };
  struct Hop {
    model::NextHop value;
    std::size_t users = 0;
  };
  bool make_room();
  void drop(Ipv4 destination);
  void leave(Ipv4 next_hop);
  std::uint32_t free_id();

  const std::size_t capacity_;
  std::map<Ipv4, Destination> destinations_;
  std::list<Ipv4> by_age_;  // the least recently wanted first
  std::set<Ipv4> kept_;
  std::map<Ipv4, Hop> hops_;
  std::set<std::uint32_t> ids_;
  std::uint32_t last_id_ = 0;
  std::uint64_t now_ = 0;  // ticks
};

}  // namespace sluice::host
