// SPDX-License-Identifier: Apache-2.0
#include "offload/host/next_hop_table.h"

namespace sluice::host {

bool NextHopTable::want(Ipv4 destination) {
  if (const auto found = destinations_.find(destination); found != destinations_.end()) {
    by_age_.splice(by_age_.end(), by_age_, found->second.age);
    found->second.wanted = now_;
    return false;
  }
  if (destinations_.size() >= capacity_ && !make_room()) return false;
  by_age_.push_back(destination);
  destinations_[destination] = {std::prev(by_age_.end()), std::nullopt, now_};
  return true;
}

bool NextHopTable::make_room() {
  for (const Ipv4 oldest : by_age_) {
    if (kept_.contains(oldest)) continue;
    drop(oldest);
    return true;
  }
  return false;
}

bool NextHopTable::tick() {
  ++now_;
  std::vector<Ipv4> idle;
  bool changes = false;
  for (const auto& [ip, destination] : destinations_) {
    if (kept_.contains(ip)) continue;
    const bool resolved = destination.next_hop && hops_.at(*destination.next_hop).value.resolved;
    if (now_ - destination.wanted < (resolved ? kIdleTicks : kUnresolvedTicks)) continue;
    idle.push_back(ip);
    changes = changes || destination.next_hop.has_value();
  }
  for (const Ipv4 ip : idle) drop(ip);
  return changes;
}

void NextHopTable::drop(Ipv4 destination) {
  const auto found = destinations_.find(destination);
  if (found->second.next_hop) leave(*found->second.next_hop);
  by_age_.erase(found->second.age);
  destinations_.erase(found);
}

void NextHopTable::leave(Ipv4 next_hop) {
  const auto hop = hops_.find(next_hop);
  if (--hop->second.users > 0) return;
  ids_.erase(hop->second.value.id);
  hops_.erase(hop);
}

// Ids go round: one that was just given up isn't given to another next hop soon, because
// connections may still have it in their rules.
std::uint32_t NextHopTable::free_id() {
  do {
    last_id_ = last_id_ % model::NextHop::kMaxId + 1;
  } while (ids_.contains(last_id_));
  return last_id_;
}

bool NextHopTable::set_route(Ipv4 destination, std::optional<Ipv4> next_hop) {
  const auto found = destinations_.find(destination);
  if (found == destinations_.end() || found->second.next_hop == next_hop) return false;
  if (next_hop) {
    Hop& hop = hops_[*next_hop];
    if (hop.users++ == 0) {
      hop.value.id = free_id();
      hop.value.ip = *next_hop;
      ids_.insert(hop.value.id);
    }
  }
  if (found->second.next_hop) leave(*found->second.next_hop);
  found->second.next_hop = next_hop;
  return true;
}

bool NextHopTable::set_mac(Ipv4 next_hop, const MacAddr& mac) {
  const auto found = hops_.find(next_hop);
  if (found == hops_.end()) return false;
  model::NextHop& hop = found->second.value;
  const bool resolved = !mac.is_zero();
  if (hop.resolved == resolved && hop.mac == mac) return false;
  hop.mac = mac;
  hop.resolved = resolved;
  return true;
}

std::vector<Ipv4> NextHopTable::destinations() const {
  std::vector<Ipv4> result;
  for (const auto& [ip, destination] : destinations_) result.push_back(ip);
  return result;
}

std::vector<model::NextHop> NextHopTable::next_hops() const {
  std::vector<model::NextHop> result;
  for (const auto& [ip, hop] : hops_) result.push_back(hop.value);
  return result;
}

std::vector<model::OuterRoute> NextHopTable::routes() const {
  std::vector<model::OuterRoute> result;
  for (const auto& [ip, destination] : destinations_) {
    if (destination.next_hop) result.push_back({ip, hops_.at(*destination.next_hop).value.id});
  }
  return result;
}

}  // namespace sluice::host
