// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/nics.h"

#include "common/os/files.h"

namespace sluice::cni {
namespace {

nic::InventoryOptions only_netdevs() {
  nic::InventoryOptions options;
  options.user_space_devices = false;
  return options;
}

std::string list_vfs(const nic::Inventory& inventory) {
  constexpr std::size_t kShown = 16;
  std::string out;
  std::size_t count = 0;
  for (const auto& pf : inventory.pfs) {
    for (const auto& vf : pf.vfs) {
      if (++count <= kShown) out += (out.empty() ? "" : ", ") + vf.address.to_string();
    }
  }
  if (count > kShown) out += " and " + std::to_string(count - kShown) + " more";
  return count == 0 ? "there is no VF on this node" : "VFs of this node: " + out;
}

}  // namespace

Result<const nic::Inventory*> Nics::inventory(const std::string& sysfs_root) {
  const auto known = inventories_.find(sysfs_root);
  if (known != inventories_.end()) return &known->second;
  SLUICE_TRY(const auto root, os::Root::open(sysfs_root));
  SLUICE_TRY(auto read, nic::read_inventory(root, only_netdevs()));
  return &inventories_.emplace(sysfs_root, std::move(read)).first->second;
}

Result<std::vector<nic::PciAddress>> Nics::vfs(const std::string& sysfs_root) {
  SLUICE_TRY(const auto* known, inventory(sysfs_root));
  std::vector<nic::PciAddress> out;
  for (const auto& pf : known->pfs) {
    for (const auto& vf : pf.vfs) out.push_back(vf.address);
  }
  return out;
}

Result<Nics::VfNow> Nics::vf(const std::string& sysfs_root, const nic::PciAddress& address) {
  auto now = known_vf(sysfs_root, address);
  if (now || now.error().code != Code::kNotFound) return now;
  inventories_.erase(sysfs_root);  // it may have come since
  return known_vf(sysfs_root, address);
}

Result<Nics::VfNow> Nics::known_vf(const std::string& sysfs_root, const nic::PciAddress& address) {
  SLUICE_TRY(const auto* known, inventory(sysfs_root));
  const auto* pf = known->find_pf_of(address);
  const auto* vf = known->find_vf(address);
  if (pf == nullptr || vf == nullptr) {
    return fail(Code::kNotFound,
                "device " + address.to_string() + " is no VF; " + list_vfs(*known));
  }
  SLUICE_TRY(const auto root, os::Root::open(sysfs_root));
  SLUICE_TRY(auto function, nic::read_function(root, address, only_netdevs()));
  VfNow out{pf, *vf};
  static_cast<nic::Function&>(out.vf) = std::move(function);
  return out;
}

}  // namespace sluice::cni
