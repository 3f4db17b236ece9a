// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/nics.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

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

std::string device_path(const nic::PciAddress& address) {
  return "bus/pci/devices/" + address.to_string();
}

// The function that a link in a function's directory leads to.
Result<nic::PciAddress> function_behind(const os::Root& root, const std::string& link) {
  SLUICE_TRY(const auto target, root.read_link(link));
  return nic::PciAddress::parse(target.substr(target.rfind('/') + 1));
}

// Which of the PF's virtfn<index> the VF is.
Result<std::uint16_t> index_below(const os::Root& root, const nic::PciAddress& pf,
                                  const nic::PciAddress& vf) {
  constexpr std::string_view kLink = "virtfn";
  SLUICE_TRY(const auto names, root.list(device_path(pf)));
  for (const auto& name : names) {
    if (!name.starts_with(kLink)) continue;
    const auto leads = function_behind(root, device_path(pf) + "/" + name);
    if (!leads || *leads != vf) continue;
    std::uint16_t index = 0;
    const auto* const end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + kLink.size(), end, index);
    if (read.ec == std::errc() && read.ptr == end) return index;
  }
  return fail(Code::kNotFound, pf.to_string() + " has no VF " + vf.to_string());
}

// "p0" is the way out; any other port name may be that of a VF's representor.
bool may_stand_for_another(const os::Root& root, const nic::Function& pf) {
  if (!pf.netdev) return false;
  const auto name =
      root.read_line(device_path(pf.address) + "/net/" + pf.netdev->name + "/phys_port_name");
  if (!name || name->empty()) return false;
  return name->front() != 'p' || name->find_first_not_of("0123456789", 1) != std::string::npos;
}

// The VF's PF with this VF alone. Unset: all functions must be read to know it, or to say why there
// is none.
std::optional<nic::Pf> read_owner(const os::Root& root, const nic::PciAddress& address) {
  const auto owner = function_behind(root, device_path(address) + "/physfn");
  if (!owner) return std::nullopt;
  const auto index = index_below(root, *owner, address);
  auto function = nic::read_function(root, *owner, only_netdevs());
  // Of several netdevs some are its VFs' representors.
  if (!index || !function || !function->is_network() || !function->more_netdevs.empty() ||
      may_stand_for_another(root, *function)) {
    return std::nullopt;
  }
  nic::Pf pf;
  static_cast<nic::Function&>(pf) = std::move(*function);
  pf.sriov = true;
  nic::Vf vf;
  vf.address = address;
  vf.index = *index;
  pf.vfs.push_back(std::move(vf));
  return pf;
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
  const Place place(sysfs_root, address);
  auto now = known_vf(place);
  if (now || now.error().code != Code::kNotFound) return now;
  owners_.erase(place);
  inventories_.erase(sysfs_root);  // it may have come since
  return known_vf(place);
}

Result<const nic::Pf*> Nics::owner_of(const os::Root& root, const Place& place) {
  const auto read_before = owners_.find(place);
  if (read_before != owners_.end()) return &read_before->second;
  if (!inventories_.contains(place.first)) {
    if (auto owner = read_owner(root, place.second)) {
      return &owners_.emplace(place, std::move(*owner)).first->second;
    }
  }
  SLUICE_TRY(const auto* known, inventory(place.first));
  if (const auto* pf = known->find_pf_of(place.second)) return pf;
  return fail(Code::kNotFound,
              "device " + place.second.to_string() + " is no VF; " + list_vfs(*known));
}

Result<Nics::VfNow> Nics::known_vf(const Place& place) {
  const auto& address = place.second;
  SLUICE_TRY(const auto root, os::Root::open(place.first));
  SLUICE_TRY(const auto* pf, owner_of(root, place));
  const auto vf = std::find_if(pf->vfs.begin(), pf->vfs.end(),
                               [&](const nic::Vf& each) { return each.address == address; });
  SLUICE_TRY(auto function, nic::read_function(root, address, only_netdevs()));
  VfNow out{pf, *vf};
  static_cast<nic::Function&>(out.vf) = std::move(function);
  return out;
}

}  // namespace sluice::cni
