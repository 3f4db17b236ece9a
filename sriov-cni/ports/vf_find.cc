// SPDX-License-Identifier: Apache-2.0
#include "common/nic/drivers.h"
#include "common/os/files.h"
#include "sriov-cni/ports/vf.h"
#include "sriov-cni/ports/vf_home.h"
#include "sriov-cni/ports/vf_rdma.h"
#include "sriov-cni/ports/vf_settle.h"

namespace sluice::cni {
namespace {

using netlink::Link;

tl::unexpected<Error> later(const nic::Vf& vf, const std::string& why) {
  return fail(Error{Code::kUnavailable,
                    Domain::kNone,
                    0,
                    "VF " + vf.address.to_string() + " " + why,
                    {},
                    Retry::kLater});
}

// A link of the host's own use has addresses that others reach it by.
Status check_unused(netlink::Rtnl& here, const nic::Vf& vf, const Link& link) {
  SLUICE_TRY(const auto addresses, here.ip_addresses(link.index));
  for (const auto& one : addresses) {
    const auto& ip = one.ip.address;
    if (ip.is_link_local()) continue;
    return fail(Code::kPrecondition, "VF " + vf.address.to_string() + " (" + link.name +
                                         ") has the address " + ip.to_string() +
                                         " of this node's own use");
  }
  return {};
}

Result<Link> find_link(const nic::Vf& vf) {
  if (!vf.netdev) {
    return later(vf, vf.driver.empty()
                         ? "has no driver"
                         : "has no netdev here: it is in a namespace or on its way back, or its "
                           "driver '" +
                               vf.driver + "' makes none");
  }
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  auto link = here.link(vf.netdev->name);
  if (!link && link.error().code == Code::kNotFound) {
    return later(vf, "is called " + vf.netdev->name + " but no such link is in this namespace");
  }
  if (!link) return fail(std::move(link).error());
  if (vf.netdev->if_index != 0 && vf.netdev->if_index != link->index.value) {
    return later(vf, "is link " + std::to_string(vf.netdev->if_index) + ", but " + link->name +
                         " is link " + std::to_string(link->index.value) +
                         ": it is changing just now");
  }
  if (link->master.value != 0) {
    return fail(Code::kPrecondition, "VF " + vf.address.to_string() + " (" + link->name +
                                         ") is a port of link " +
                                         std::to_string(link->master.value) + " of this node");
  }
  SLUICE_CHECK_OK(check_unused(here, vf, *link));
  return link;
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
  if (!nic::makes_no_netdev(driver)) return Why{};
  return Why("its driver is " + driver);
}

Result<FoundVf> find_vf(Nics& nics, const NicPlace& place, const nic::PciAddress& address,
                        Duration patience) {
  auto now = settled_vf(nics, place.sysfs_root, address, patience);
  if (!now) {
    auto error = std::move(now).error();
    if (error.code == Code::kNotFound) error.code = Code::kInvalid;
    return fail(std::move(error));
  }
  FoundVf out;
  out.pf = *now->pf;
  out.vf = std::move(now->vf);
  if (nic::makes_no_netdev(out.vf.driver)) {
    out.kind = PortKind::kUserSpace;
  } else {
    SLUICE_TRY(out.link, find_link(out.vf));
  }
  SLUICE_TRY(auto home, find_home(place, out.pf, out.vf, out.link));
  out.home = std::move(home.home);
  out.home_by = home.by;
  SLUICE_TRY(const auto root, os::Root::open(place.sysfs_root));
  SLUICE_TRY(auto rdma,
             rdma_of(root, address.to_string(), out.link ? out.link->index : netlink::IfIndex{}));
  out.rdma = std::move(rdma.devices);
  out.rdma_mode = rdma.mode;
  return out;
}

}  // namespace sluice::cni
