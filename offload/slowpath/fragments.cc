// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/fragments.h"

namespace sluice::slowpath {

FragmentTable::FragmentTable(const Clock& clock, std::uint64_t seed)
    : clock_(clock), seed_(seed), entries_(kSets * kWays) {}

std::size_t FragmentTable::set_of(const Packet& packet) const {
  const Tuple key{packet.src, packet.dst, packet.identification, 0, packet.proto, {}};
  return hash_of(key, seed_) % kSets * kWays;
}

void FragmentTable::remember(const Packet& first, const FragmentOwner& owner) {
  const std::size_t set = set_of(first);
  std::size_t chosen = set;
  for (std::size_t i = set; i < set + kWays; ++i) {
    if (entries_[i].is_of(first)) {
      chosen = i;
      break;
    }
    // An empty entry's deadline is the oldest there is.
    if (entries_[i].deadline < entries_[chosen].deadline) chosen = i;
  }
  entries_[chosen] = Entry{first.src,   first.dst, first.identification,
                           first.proto, owner,     clock_.now() + kLifetime};
}

std::optional<FragmentOwner> FragmentTable::find(const Packet& later) const {
  const std::size_t set = set_of(later);
  for (std::size_t i = set; i < set + kWays; ++i) {
    if (entries_[i].is_of(later) && entries_[i].deadline > clock_.now()) return entries_[i].owner;
  }
  return std::nullopt;
}

}  // namespace sluice::slowpath
