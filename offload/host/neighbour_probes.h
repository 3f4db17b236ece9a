// SPDX-License-Identifier: Apache-2.0
// Which neighbours are asked for, and when again: each by itself, at first soon, then ever more
// rarely. A new one changes nothing for the others.
//
// Threading: everything on the loop's thread.
#pragma once

#include <functional>
#include <map>

#include "common/base/addr.h"
#include "common/os/event_loop.h"

namespace sluice::host {

inline constexpr Duration kFirstProbe = std::chrono::seconds(1);
inline constexpr Duration kLastProbe = std::chrono::seconds(64);

class NeighbourProbes {
 public:
  // `probe` asks for one; it may be called from inside ask(), and may call settled().
  NeighbourProbes(os::EventLoop& loop, std::function<void(Ipv4)> probe);
  NeighbourProbes(const NeighbourProbes&) = delete;
  NeighbourProbes& operator=(const NeighbourProbes&) = delete;
  ~NeighbourProbes();

  // At once and then again and again until settled(); one that is asked for already keeps its pace.
  void ask(Ipv4 neighbour);
  // The same, but the first time after kFirstProbe: it has just not answered.
  void ask_later(Ipv4 neighbour);
  void settled(Ipv4 neighbour);  // answered, or nobody's any more
  void settle_unless(const std::function<bool(Ipv4)>& still_wanted);
  std::size_t count() const { return asked_.size(); }

 private:
  void arm(Ipv4 neighbour, Duration delay);

  os::EventLoop& loop_;
  const std::function<void(Ipv4)> probe_;
  std::map<Ipv4, os::EventLoop::TimerId> asked_;  // the timer of the next time
};

}  // namespace sluice::host
