// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/pools/pool_set.h"

#include <algorithm>
#include <optional>
#include <tuple>

namespace sluice::pools {
namespace {

bool selects(const Selectors& selectors, const nic::Pf& pf, const nic::Vf& vf) {
  if (!selectors.drivers.empty() && std::find(selectors.drivers.begin(), selectors.drivers.end(),
                                              vf.driver) == selectors.drivers.end()) {
    return false;
  }
  if (selectors.pf_names.empty()) return true;
  const std::string name = pf.netdev ? pf.netdev->name : "";
  return std::any_of(selectors.pf_names.begin(), selectors.pf_names.end(),
                     [&](const auto& selector) { return selector.matches(name, vf.index); });
}

std::string why_gone(const nic::Inventory& inventory, const std::string& id) {
  for (const auto& broken : inventory.broken) {
    if (broken.device == id) return "unreadable: " + broken.reason;
  }
  return "gone from the node";
}

}  // namespace

PoolSet::PoolSet(std::vector<PoolConfig> configs) : configs_(std::move(configs)) {}

bool PoolSet::update(const nic::Inventory& inventory) {
  auto next = members_;
  for (auto& [address, member] : next) {
    member.device.healthy = false;
    member.device.reason = why_gone(inventory, member.device.id);
  }
  for (const auto& pf : inventory.pfs) {
    for (const auto& vf : pf.vfs) {
      auto found = next.find(vf.address);
      if (found == next.end()) {
        const auto config = std::find_if(configs_.begin(), configs_.end(), [&](const auto& pool) {
          return selects(pool.selectors, pf, vf);
        });
        if (config == configs_.end()) continue;
        Member member;
        member.pool = static_cast<std::size_t>(config - configs_.begin());
        member.device.id = vf.address.to_string();
        found = next.emplace(vf.address, std::move(member)).first;
      }
      auto& member = found->second;
      member.pf = pf.address;
      member.index = vf.index;
      member.device.healthy = !vf.driver.empty();
      member.device.reason = vf.driver.empty() ? "no driver is bound" : "";
      member.device.numa_node = pf.numa_node;
    }
  }
  const bool changed = next != members_;
  members_ = std::move(next);
  return changed;
}

std::vector<Device> PoolSet::devices(const std::string& pool) const {
  std::vector<const Member*> members;
  for (const auto& [address, member] : members_) {
    if (configs_[member.pool].name == pool) members.push_back(&member);
  }
  std::sort(members.begin(), members.end(), [](const Member* a, const Member* b) {
    return std::tie(a->pf, a->index, a->device.id) < std::tie(b->pf, b->index, b->device.id);
  });
  std::vector<Device> out;
  for (const auto* member : members) out.push_back(member->device);
  return out;
}

}  // namespace sluice::pools
