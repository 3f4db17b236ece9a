// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "common/nic/vf_control.h"
#include "common/nic/vlan_trunk.h"
#include "sriov-cni/ports/own_link.h"
#include "sriov-cni/ports/vf.h"
#include "sriov-cni/ports/vf_rdma.h"
#include "sriov-cni/ports/vf_restore.h"
#include "sriov-cni/ports/vf_return.h"

namespace sluice::cni {
namespace {

using netlink::Link;
using netlink::LinkChange;
using netlink::Rtnl;

// Unless it is known that there is none (describe_vf()): what a baseline says of a VF that may be
// dirty can have changed since.
bool may_have_mac_in_the_way(const FoundVf& found, const Record& record) {
  const auto& mac = record.vf->attributes.mac;
  return found.home_by == HomeBy::kBaseline || !mac || !mac->is_zero();
}

Status set_attributes(const FoundVf& found, const Record& record) {
  auto wish = record.wish.attributes;
  wish.mac.reset();
  if (asks_mac(record)) {
    if (found.kind == PortKind::kUserSpace) {
      wish.mac = record.mac;
    } else if (may_have_mac_in_the_way(found, record)) {
      wish.mac = MacAddr{};
    }
  }
  if (wish != nic::VfAttributes{}) {
    SLUICE_TRY(const auto control, nic::make_vf_control(found.pf, found.home.vf_control_socket));
    auto applied = control->apply(found.vf, wish);
    const bool zero = wish.mac && wish.mac->is_zero();
    if (!applied && zero && applied.error().code == Code::kInvalid) {
      // A driver that takes no MAC of zero: with this one the VF may have it.
      wish.mac = record.mac;
      applied = control->apply(found.vf, wish);
    }
    if (!applied) {
      return fail(std::move(applied).error().with("setting the attributes of VF " +
                                                  std::to_string(found.vf.index) + " (" +
                                                  found.home.pci + ") on its PF"));
    }
  }
  if (record.wish.trunk.empty()) return {};
  SLUICE_TRY(const auto root, os::Root::open(found.home.sysfs_root));
  std::vector<nic::VlanRange> trunk;
  for (const auto& range : record.wish.trunk) trunk.push_back({range.first, range.last});
  return nic::set_vlan_trunk(root, found.pf.address, found.vf.index, trunk);
}

// What is left on it from a pod is taken off here: the new one shall not inherit it.
Result<Link> prepare_link(const FoundVf& found, const Record& record) {
  const auto& guids = record.wish.attributes;
  if (guids.node_guid || guids.port_guid) return start_driver_again(found.home, found.vf);
  if (!has_any_alias(*found.link)) return *found.link;
  SLUICE_CHECK_OK(clean_link(*found.link, found.home));
  SLUICE_TRY(auto here, Rtnl::open());
  return here.link(found.link->index);
}

Status move_in(const Link& link, const Record& record, const os::NetNs& pod) {
  SLUICE_TRY(auto here, Rtnl::open());
  // Its own other name would be in the way of the new one.
  const auto& name = record.key.interface;
  if (std::find(link.altnames.begin(), link.altnames.end(), name) != link.altnames.end()) {
    SLUICE_CHECK_OK(here.delete_altnames(link.index, {name}));
  }
  LinkChange change;
  change.netns_fd = pod.fd();
  change.name = name;
  if (!record.mac.is_zero() && !link.mac.is_zero() && link.mac != record.mac) {
    change.mac = record.mac;
  }
  if (record.mtu != 0 && link.mtu != record.mtu) change.mtu = record.mtu;
  change.alias = record.alias();
  change.promiscuous = record.wish.promiscuous;
  change.all_multicast = record.wish.all_multicast;
  change.up = true;
  auto moved = here.change_link(link.index, change);
  if (moved) return {};
  return fail(std::move(moved).error().with("moving " + link.name + " (" + record.vf->pci +
                                            ") into " + record.netns + " as " + name));
}

// An administrative MAC confirms the VF's own, which an untrusted one couldn't keep otherwise.
Status confirm_mac(const FoundVf& found, const Record& record) {
  if (!asks_mac(record)) return {};
  SLUICE_TRY(const auto control, nic::make_vf_control(found.pf, found.home.vf_control_socket));
  auto set = control->set_mac(found.vf, record.mac);
  if (set) return {};
  return fail(std::move(set).error().with("setting the administrative MAC of " + found.home.pci));
}

// Started again, the function has other RDMA devices than those that were found.
Result<std::vector<netlink::RdmaLink>> rdma_to_move(const FoundVf& found, const Record& record,
                                                    netlink::IfIndex netdev) {
  const auto& guids = record.wish.attributes;
  if (record.rdma.empty()) return std::vector<netlink::RdmaLink>{};
  if (!guids.node_guid && !guids.port_guid) return found.rdma;
  SLUICE_TRY(const auto root, os::Root::open(found.home.sysfs_root));
  SLUICE_TRY(auto now, rdma_of(root, found.home.pci, netdev));
  return std::move(now.devices);
}

}  // namespace

Status attach_vf(const FoundVf& found, const Record& record, const os::NetNs& pod,
                 PortTimes* times) {
  SLUICE_CHECK_OK(timed(times, &PortTimes::pf, [&] { return set_attributes(found, record); }));
  if (found.kind == PortKind::kUserSpace) return {};
  SLUICE_TRY(const auto link, prepare_link(found, record));
  // Looked for while its netdev is here.
  SLUICE_TRY(const auto rdma, rdma_to_move(found, record, link.index));
  SLUICE_CHECK_OK(move_in(link, record, pod));
  SLUICE_CHECK_OK(timed(times, &PortTimes::pf, [&] { return confirm_mac(found, record); }));
  if (rdma.empty()) return {};
  return timed(times, &PortTimes::rdma, [&] { return move_rdma(rdma, pod); });
}

}  // namespace sluice::cni
