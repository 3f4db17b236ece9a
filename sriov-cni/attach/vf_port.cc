// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/vf_port.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "common/nic/vf_control.h"
#include "common/os/files.h"

namespace sluice::cni {
namespace {

using netlink::Link;
using netlink::LinkChange;
using netlink::Rtnl;

// Drivers that hand a function to user space or to a guest, which has no netdev then.
constexpr std::array<std::string_view, 4> kNoNetdevs = {"igb_uio", "pci-stub", "uio_pci_generic",
                                                        "vfio-pci"};

// Which of the links in a namespace is the attachment's. A failed move leaves it under its old
// name.
std::optional<Link> own_link(const std::vector<Link>& links, const Record& record) {
  for (const auto& link : links) {
    if (link.alias == record.alias()) return link;
  }
  for (const auto& link : links) {
    const bool known_name = link.name == record.interface || link.name == record.host_name;
    if (known_name && (link.mac == record.mac || link.mac == record.host_mac)) return link;
  }
  return std::nullopt;
}

LinkChange as_it_was(const Record& record) {
  LinkChange change;
  change.name = record.host_name;
  change.mac = record.host_mac;
  change.mtu = record.host_mtu;
  change.up = false;
  change.alias = "";
  return change;
}

Status bring_home(const Record& record, const os::NetNs& pod) {
  SLUICE_TRY(auto there, Rtnl::open_in(pod));
  SLUICE_TRY(const auto links, there.links());
  const auto link = own_link(links, record);
  if (!link) return {};
  SLUICE_TRY(const auto here, os::NetNs::current());
  auto change = as_it_was(record);
  change.netns_fd = here.fd();
  auto moved = there.change_link(link->index, change);
  if (moved) return {};
  // It may have arrived all the same, under whatever name; restore_here() sees to the rest.
  const auto still = there.link(link->index);
  if (still && own_link({*still}, record)) {
    return fail(
        std::move(moved).error().with("bringing " + record.pci + " back from " + record.netns));
  }
  return {};
}

// The kernel returns a VF of a dead namespace under the pod's name and with its MAC.
Status restore_here(const Record& record, const nic::Vf& vf) {
  if (!vf.netdev) return {};
  SLUICE_TRY(auto here, Rtnl::open());
  auto link = here.link(vf.netdev->name);
  if (!link && link.error().code == Code::kNotFound && vf.netdev->name != record.interface) {
    link = here.link(record.interface);
    // A name alone doesn't make it ours.
    if (link && link->alias != record.alias()) return {};
  }
  if (!link) return link.error().code == Code::kNotFound ? Status{} : fail(link.error());
  const bool ours =
      link->alias == record.alias() || (link->name == record.interface && link->mac == record.mac);
  const bool as_before = link->name == record.host_name && link->mac == record.host_mac &&
                         link->mtu == record.host_mtu;
  if (!ours && link->name != record.host_name) return {};
  if (as_before && link->alias != record.alias()) return {};
  auto changed = here.change_link(link->index, as_it_was(record));
  if (changed) return {};
  return fail(std::move(changed).error().with("restoring " + link->name + " of " + record.pci));
}

// Cleared first: with an administrative MAC set, some drivers refuse the VF's own.
Status clear_admin_mac(const Record& record, const nic::Pf& pf, const nic::Vf& vf) {
  SLUICE_TRY(const auto control, nic::make_vf_control(pf, record.vf_control_socket));
  auto cleared = control->set_mac(vf, MacAddr{});
  if (cleared) return {};
  // A simulated NIC that is away has forgotten it.
  if (pf.driver == nic::kSimulatedDriver) return {};
  return fail(std::move(cleared).error().with("clearing the administrative MAC of " + record.pci));
}

}  // namespace

Result<std::optional<std::string>> why_no_interface(const std::string& sysfs_root,
                                                    const std::string& device) {
  using Why = std::optional<std::string>;
  const auto address = nic::PciAddress::parse(device);
  if (!address) return Why("it is no PCI function");
  SLUICE_TRY(const auto root, os::Root::open(sysfs_root));
  const auto at = "bus/pci/devices/" + address->to_string();
  if (!root.exists(at)) return Why{};
  if (!root.exists(at + "/physfn")) return Why("it is no VF");
  const auto link = root.read_link(at + "/driver");
  if (!link) return Why{};
  const auto driver = link->substr(link->rfind('/') + 1);
  if (std::find(kNoNetdevs.begin(), kNoNetdevs.end(), driver) == kNoNetdevs.end()) return Why{};
  return Why("its driver is " + driver);
}

Result<FoundVf> find_vf(Nics& nics, const std::string& sysfs_root, const nic::PciAddress& address) {
  auto now = nics.vf(sysfs_root, address);
  if (!now && now.error().code == Code::kNotFound) {
    nics.forget();  // it may have come since
    now = nics.vf(sysfs_root, address);
  }
  if (!now) {
    auto error = std::move(now).error();
    if (error.code == Code::kNotFound) error.code = Code::kInvalid;
    return fail(std::move(error));
  }
  auto* vf = &now->vf;
  const auto later = [&](const std::string& why) {
    Error error{Code::kUnavailable, Domain::kNone, 0, "VF " + address.to_string() + " " + why, {},
                Retry::kLater};
    return fail(std::move(error));
  };
  if (!vf->netdev) {
    return later(vf->driver.empty() ? "has no driver"
                                    : "has no netdev here: it is in a namespace or on its way "
                                      "back, or its driver '" +
                                          vf->driver + "' makes none");
  }
  SLUICE_TRY(auto here, Rtnl::open());
  auto link = here.link(vf->netdev->name);
  if (!link && link.error().code == Code::kNotFound) {
    return later("is called " + vf->netdev->name + " but no such link is in this namespace");
  }
  if (!link) return fail(std::move(link).error());
  if (vf->netdev->if_index != 0 && vf->netdev->if_index != link->index.value) {
    return later("is link " + std::to_string(vf->netdev->if_index) + ", but " + link->name +
                 " is link " + std::to_string(link->index.value) + ": it is changing just now");
  }
  return FoundVf{*now->pf, std::move(now->vf), std::move(*link)};
}

Status move_vf_in(const FoundVf& found, const Record& record, const os::NetNs& pod,
                  std::uint32_t mtu) {
  SLUICE_TRY(const auto control, nic::make_vf_control(found.pf, record.vf_control_socket));
  auto mac_set = control->set_mac(found.vf, record.mac);
  if (!mac_set) {
    return fail(std::move(mac_set).error().with("setting the administrative MAC of " + record.pci));
  }
  LinkChange change;
  change.netns_fd = pod.fd();
  change.name = record.interface;
  change.mac = record.mac;
  change.mtu = mtu;
  change.alias = record.alias();
  change.up = true;
  SLUICE_TRY(auto here, Rtnl::open());
  auto moved = here.change_link(found.link.index, change);
  if (moved) return {};
  return fail(std::move(moved).error().with("moving " + found.link.name + " (" + record.pci +
                                            ") into " + record.netns + " as " + record.interface));
}

Status return_vf(Nics& nics, const Record& record, const os::NetNs* pod) {
  const auto address = nic::PciAddress::parse(record.pci);
  if (!address) return fail(address.error());
  Status first;
  const auto keep = [&first](Status status) {
    if (first && !status) first = std::move(status);
  };
  if (const auto before = nics.vf(record.sysfs_root, *address)) {
    keep(clear_admin_mac(record, *before->pf, before->vf));
  }
  if (pod != nullptr) keep(bring_home(record, *pod));
  // Read again: the move changed what is where.
  if (const auto now = nics.vf(record.sysfs_root, *address)) keep(restore_here(record, now->vf));
  return first;
}

}  // namespace sluice::cni
