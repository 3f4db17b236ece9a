// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/baselines.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/nic/vf_control.h"
#include "common/os/files.h"

namespace sluice::broker {

void Baselines::look(const nic::Inventory& inventory, const std::set<std::string>& in_use) {
  for (const auto& pf : inventory.pfs) record_new(pf, in_use);
  forget_gone(inventory, in_use);
}

bool Baselines::is_settled(const nic::Vf& vf) const {
  const auto known = settled_.find(vf.address);
  return known != settled_.end() &&
         nic::same_generation(known->second.generation,
                              nic::generation_of(sysfs_root_, vf.address));
}

// Read again, as the look may be older than the VF that is there by now: what is recorded is of the
// generation that it is recorded as.
Status Baselines::record(const nic::Pf& pf, const nic::Vf& seen,
                         const nic::VfAttributes& attributes) {
  const auto generation = nic::generation_of(sysfs_root_, seen.address);
  SLUICE_TRY(const auto root, os::Root::open(sysfs_root_));
  SLUICE_TRY(auto function, nic::read_function(root, seen.address));
  if (nic::generation_of(sysfs_root_, seen.address) != generation) return {};  // the next look's
  auto vf = seen;
  static_cast<nic::Function&>(vf) = std::move(function);
  SLUICE_TRY(auto store, nic::BaselineStore::open(directory_));
  SLUICE_TRY(const auto recorded, store.record_if_absent(pf, vf, attributes, generation));
  if (recorded != nic::BaselineStore::Outcome::kInPod) {
    settled_[vf.address] = {pf.address, vf.index, generation};
  }
  return {};
}

void Baselines::record_new(const nic::Pf& pf, const std::set<std::string>& in_use) {
  std::vector<const nic::Vf*> fresh;
  for (const auto& vf : pf.vfs) {
    if (in_use.contains(vf.address.to_string()) || nic::seems_in_pod(vf)) continue;
    if (!is_settled(vf)) fresh.push_back(&vf);
  }
  if (fresh.empty()) return;
  // A PF that can't say its VFs' attributes still has VFs with a name, a MAC and an MTU.
  std::map<std::uint16_t, nic::VfAttributes> attributes;
  if (auto control = nic::make_vf_control(pf, vf_control_socket_); !control) {
    complain(pf.address.to_string(), control.error());
  } else if (auto all = (*control)->all_attributes(); !all) {
    complain(pf.address.to_string(), all.error());
  } else {
    attributes = std::move(*all);
  }
  for (const auto* vf : fresh) {
    if (auto recorded = record(pf, *vf, attributes[vf->index]); !recorded) {
      complain(vf->address.to_string(), recorded.error());
    }
  }
}

// A VF that is merely not seen may be unreadable for a moment: only a smaller number of VFs counts.
void Baselines::forget_gone(const nic::Inventory& inventory, const std::set<std::string>& in_use) {
  std::vector<nic::PciAddress> gone;
  for (const auto& [address, origin] : settled_) {
    const auto* pf = inventory.find_pf(origin.pf);
    if (!pf || origin.index < pf->num_vfs || inventory.find_vf(address)) continue;
    if (!in_use.contains(address.to_string())) gone.push_back(address);
  }
  if (gone.empty()) return;
  auto store = nic::BaselineStore::open(directory_);
  for (const auto& address : gone) {
    settled_.erase(address);
    if (!store) continue;
    if (auto removed = store->remove(address); !removed) {
      complain(address.to_string(), removed.error());
    }
  }
}

void Baselines::complain(const std::string& about, const Error& error) {
  constexpr std::size_t kMany = 1000;
  if (complaints_.size() >= kMany) complaints_.clear();
  if (!complaints_.insert(about + error.to_string()).second) return;
  log_.warn("no baseline, or not a whole one", {{"of", about}, {"error", error}});
}

}  // namespace sluice::broker
