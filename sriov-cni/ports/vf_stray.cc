// SPDX-License-Identifier: Apache-2.0
// By the baseline alone: for repair, and for records that can't be read.
#include <algorithm>
#include <set>

#include "common/nic/drivers.h"
#include "common/nic/vf_control.h"
#include "sriov-cni/ports/vf.h"
#include "sriov-cni/ports/vf_home.h"
#include "sriov-cni/ports/vf_return.h"

namespace sluice::cni {
namespace {

using netlink::Link;

// The VF's link among the host's: by what the kernel says, or by what sysfs says.
const Link* link_of(const std::vector<Link>& links, const nic::Vf& vf) {
  const auto pci = vf.address.to_string();
  const auto found = std::find_if(links.begin(), links.end(), [&](const Link& link) {
    if (!link.parent.empty()) return link.parent == pci;
    return vf.netdev && link.name == vf.netdev->name &&
           (vf.netdev->if_index == 0 || vf.netdev->if_index == link.index.value);
  });
  return found == links.end() ? nullptr : &*found;
}

std::vector<std::string> differences_of(const Link& link, const nic::Baseline* baseline) {
  std::vector<std::string> out;
  if (has_any_alias(link)) out.push_back("has the alias '" + link.alias + "' of an attachment");
  if (baseline != nullptr && baseline->netdev) {
    const auto& was = *baseline->netdev;
    if (link.name != was.name) out.push_back("name is '" + link.name + "', was '" + was.name + "'");
    if (link.mac != was.mac) {
      out.push_back("MAC is " + link.mac.to_string() + ", was " + was.mac.to_string());
    }
    if (was.mtu != 0 && link.mtu != was.mtu) {
      out.push_back("MTU is " + std::to_string(link.mtu) + ", was " + std::to_string(was.mtu));
    }
  }
  if (link.promiscuous) out.push_back("is promiscuous");
  if (link.all_multicast) out.push_back("takes all multicast");
  return out;
}

std::vector<std::string> all_differences(const Link& link, const Result<nic::Baseline>& baseline) {
  auto out = differences_of(link, baseline ? &*baseline : nullptr);
  if (!baseline) out.push_back("no baseline: " + baseline.error().to_string());
  if (link.xdp) out.push_back("has an XDP program");
  return out;
}

// Not its XDP program: one that a link of its own holds is that link's owner's to take off.
Status check_is_home(Nics& nics, const NicPlace& place, const nic::Baseline& baseline) {
  const auto now = nics.vf(place.sysfs_root, baseline.vf);
  if (!now) return {};  // gone since
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  SLUICE_TRY(const auto links, here.links());
  const auto* link = link_of(links, now->vf);
  if (link == nullptr) return {};
  std::string all;
  for (const auto& one : differences_of(*link, &baseline)) all += (all.empty() ? "" : ", ") + one;
  if (all.empty()) return {};
  return fail(Code::kPrecondition, "VF " + baseline.vf.to_string() + " (" + link->name +
                                       ") still isn't as it was, after all was done: " + all);
}

// The names that the VFs had before pods had them.
Result<std::set<std::string>> baseline_names(const NicPlace& place) {
  SLUICE_TRY(const auto store, nic::BaselineStore::open(place.baseline_dir));
  SLUICE_TRY(const auto vfs, store.list());
  std::set<std::string> out;
  for (const auto& vf : vfs) {
    const auto baseline = store.load(vf);
    if (baseline && baseline->netdev) out.insert(baseline->netdev->name);
  }
  return out;
}

bool is_stray(netlink::Rtnl& here, const Link& link, const Result<nic::Baseline>& baseline,
              const std::set<std::string>& names) {
  if (link.master.value != 0) return false;  // of the host's own use
  if (has_any_alias(link)) return true;
  if (!baseline || !seems_left_over(link, *baseline, names)) return false;
  const auto addresses = here.ip_addresses(link.index);
  return addresses && addresses->empty();
}

Status plan_attributes(const Nics::VfNow& now, const NicPlace& place, Homeward& homeward) {
  auto control = nic::make_vf_control(*now.pf, place.vf_control_socket);
  if (!control && control.error().code == Code::kPrecondition) return {};  // a PF without a netdev
  if (!control) return fail(std::move(control).error());
  SLUICE_TRY(const auto present, (*control)->attributes(now.vf));
  const auto& home = homeward.home.attributes;
  const auto changed = differing(home, present);
  homeward.attributes = attributes_back(changed, home);
  homeward.rebind = changed.node_guid || changed.port_guid;
  if (!changed.mac) return {};
  if (now.vf.driver.empty() || homeward.kind == PortKind::kUserSpace) {
    homeward.attributes.known.mac = home.mac;
    return {};
  }
  homeward.attributes.known.mac = MacAddr{};
  if (!home.mac->is_zero()) homeward.attributes.mac_afterwards = home.mac;
  return {};
}

// Of hardware the kernel names the function, if it does so of any here.
Result<bool> names_functions(const NicPlace& place) {
  if (!place.vf_control_socket.empty()) return false;
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  SLUICE_TRY(const auto links, here.links());
  return std::any_of(links.begin(), links.end(),
                     [](const Link& link) { return !link.parent.empty(); });
}

// Recorded while it had no netdev, a VF has no name, MAC or MTU to be told; its driver makes them
// anew, and the netdev out of whatever namespace it is in.
Status start_anew(Nics& nics, const Nics::VfNow& now, Homeward homeward) {
  const auto vf = now.vf;  // `now` is good until the next question
  if (!homeward.marks.by_parent) {
    return fail(Code::kPrecondition,
                "the baseline of VF " + vf.address.to_string() +
                    " was taken while it had no netdev, and doesn't say how that was before: set "
                    "name, MAC and MTU right and the alias to ''");
  }
  homeward.kind = PortKind::kUserSpace;  // of its attributes, nothing else
  SLUICE_CHECK_OK(bring_back(nics, homeward, nullptr, kReturnPatience));
  SLUICE_TRY([[maybe_unused]] const auto link, start_driver_again(homeward.home, vf));
  return {};
}

Status return_with(Nics& nics, const NicPlace& place, const nic::PciAddress& vf,
                   const std::string& alias, const os::NetNs* pod) {
  SLUICE_TRY(const auto now, nics.vf(place.sysfs_root, vf));
  auto baseline = baseline_of(place, *now.pf, now.vf);
  if (!baseline) {
    return fail(std::move(baseline).error().with("looking for what VF " + vf.to_string() +
                                                 " was like before a pod had it"));
  }
  Homeward homeward;
  homeward.address = vf;
  const bool user_space = nic::makes_no_netdev(now.vf.driver);
  homeward.kind = user_space ? PortKind::kUserSpace : PortKind::kNetdev;
  homeward.home = home_by_baseline(place, *baseline);
  homeward.marks.pci = homeward.home.pci;
  homeward.marks.alias = alias;
  homeward.marks.host_name = homeward.home.name;
  homeward.marks.host_mac = homeward.home.mac;
  SLUICE_TRY(homeward.marks.by_parent, names_functions(place));
  const bool anew = !baseline->netdev && !user_space && !now.vf.driver.empty();
  SLUICE_CHECK_OK(plan_attributes(now, place, homeward));
  SLUICE_CHECK_OK(anew ? start_anew(nics, now, homeward)
                       : bring_back(nics, homeward, pod, kReturnPatience));
  return check_is_home(nics, place, *baseline);
}

// A link that says no PCI function (software, or an old kernel) is the one VF that sysfs has
// without a netdev, if there is but one.
Result<std::optional<nic::PciAddress>> only_one_away(Nics& nics, const NicPlace& place) {
  SLUICE_TRY(const auto all, nics.vfs(place.sysfs_root));
  std::optional<nic::PciAddress> away;
  for (const auto& address : all) {
    const auto now = nics.vf(place.sysfs_root, address);
    if (!now || !nic::seems_in_pod(now->vf)) continue;
    if (away) return std::optional<nic::PciAddress>{};
    away = address;
  }
  return away;
}

std::optional<Link> with_alias(const std::vector<Link>& links, const std::string& alias) {
  for (const auto& link : links) {
    if (link.alias == alias) return link;
  }
  return std::nullopt;
}

std::optional<nic::PciAddress> parent_of(const Link& link) {
  const auto address = nic::PciAddress::parse(link.parent);
  return address ? std::optional<nic::PciAddress>(*address) : std::nullopt;
}

}  // namespace

Result<std::vector<Stray>> find_strays(Nics& nics, const NicPlace& place) {
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  SLUICE_TRY(const auto links, here.links());
  SLUICE_TRY(const auto all, nics.vfs(place.sysfs_root));
  SLUICE_TRY(const auto names, baseline_names(place));
  std::vector<Stray> out;
  for (const auto& address : all) {
    const auto now = nics.vf(place.sysfs_root, address);
    if (!now) continue;  // gone since
    const auto* link = link_of(links, now->vf);
    if (link == nullptr) continue;
    const auto baseline = baseline_of(place, *now->pf, now->vf);
    if (is_stray(here, *link, baseline, names)) {
      out.push_back({address, all_differences(*link, baseline)});
    }
  }
  return out;
}

Status restore_stray(Nics& nics, const NicPlace& place, const nic::PciAddress& vf) {
  SLUICE_TRY(const auto now, nics.vf(place.sysfs_root, vf));
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  SLUICE_TRY(const auto links, here.links());
  SLUICE_TRY(const auto names, baseline_names(place));
  const auto* link = link_of(links, now.vf);
  const bool is_still =
      link != nullptr && is_stray(here, *link, baseline_of(place, *now.pf, now.vf), names);
  if (!is_still) return {};  // somebody was faster
  return return_with(nics, place, vf, link->alias, nullptr);
}

Result<std::optional<nic::PciAddress>> find_by_alias(Nics& nics, const NicPlace& place,
                                                     const std::string& alias,
                                                     const os::NetNs* pod) {
  if (pod != nullptr) {
    SLUICE_TRY(auto there, netlink::Rtnl::open_in(*pod));
    SLUICE_TRY(const auto inside, there.links());
    if (const auto link = with_alias(inside, alias)) {
      if (const auto parent = parent_of(*link)) return parent;
      return only_one_away(nics, place);
    }
  }
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  SLUICE_TRY(const auto links, here.links());
  const auto link = with_alias(links, alias);
  if (!link) return std::optional<nic::PciAddress>{};
  if (const auto parent = parent_of(*link)) return parent;
  SLUICE_TRY(const auto all, nics.vfs(place.sysfs_root));
  for (const auto& address : all) {
    const auto now = nics.vf(place.sysfs_root, address);
    if (now && now->vf.netdev && now->vf.netdev->name == link->name) {
      return std::optional<nic::PciAddress>(address);
    }
  }
  return std::optional<nic::PciAddress>{};
}

Status return_by_baseline(Nics& nics, const NicPlace& place, const nic::PciAddress& vf,
                          const std::string& alias, const os::NetNs* pod) {
  return return_with(nics, place, vf, alias, pod);
}

}  // namespace sluice::cni
