// SPDX-License-Identifier: Apache-2.0
#include "offload/host/neighbour_probes.h"

#include <algorithm>
#include <utility>

namespace sluice::host {

NeighbourProbes::NeighbourProbes(os::EventLoop& loop, std::function<void(Ipv4)> probe)
    : loop_(loop), probe_(std::move(probe)) {}

NeighbourProbes::~NeighbourProbes() {
  for (const auto& [neighbour, timer] : asked_) loop_.cancel(timer);
}

void NeighbourProbes::ask(Ipv4 neighbour) {
  if (asked_.contains(neighbour)) return;
  arm(neighbour, kFirstProbe);
  probe_(neighbour);
}

void NeighbourProbes::ask_later(Ipv4 neighbour) {
  if (!asked_.contains(neighbour)) arm(neighbour, kFirstProbe);
}

void NeighbourProbes::arm(Ipv4 neighbour, Duration delay) {
  const auto timer = loop_.after(delay, [this, neighbour, delay] {
    arm(neighbour, std::min(delay * 2, kLastProbe));
    probe_(neighbour);
  });
  asked_[neighbour] = timer;
}

void NeighbourProbes::settled(Ipv4 neighbour) {
  const auto found = asked_.find(neighbour);
  if (found == asked_.end()) return;
  loop_.cancel(found->second);
  asked_.erase(found);
}

void NeighbourProbes::settle_unless(const std::function<bool(Ipv4)>& still_wanted) {
  std::erase_if(asked_, [&](const auto& item) {
    if (still_wanted(item.first)) return false;
    loop_.cancel(item.second);
    return true;
  });
}

}  // namespace sluice::host
