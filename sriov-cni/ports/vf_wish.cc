// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>

#include "common/nic/vlan_trunk.h"
#include "common/os/files.h"
#include "sriov-cni/ports/vf.h"
#include "sriov-cni/ports/vf_home.h"
#include "sriov-cni/ports/vf_restore.h"

namespace sluice::cni {
namespace {

using netlink::RdmaMode;

constexpr std::uint32_t kInfinibandClass = 0x0207;  // PCI class and subclass
constexpr std::uint16_t kPkeyBase = 0x7fff;         // without the membership bit

bool is_infiniband(const FoundVf& found) {
  if (found.link) return found.link->type == netlink::Link::kInfiniband;
  const auto class_of = [](const nic::Function& function) { return function.class_code >> 8U; };
  return class_of(found.vf) == kInfinibandClass || class_of(found.pf) == kInfinibandClass;
}

std::string called(const FoundVf& found) { return "VF " + found.vf.address.to_string(); }

Status check_driver(const FoundVf& found, const VfWish& wish) {
  if (found.kind != PortKind::kUserSpace) {
    if (!wish.user_space_only) return {};
    return fail(Code::kInvalid, "vfioPciMode: " + called(found) + " is bound to '" +
                                    found.vf.driver + "'; it must be bound to vfio-pci");
  }
  const auto no_netdev = [&](const std::string& key) {
    return fail(Code::kInvalid, key + ": " + called(found) + " is bound to '" + found.vf.driver +
                                    "' and has no netdev to set it on");
  };
  if (wish.promiscuous) return no_netdev("promisc");
  if (wish.all_multicast) return no_netdev("allmulti");
  if (wish.rdma == RdmaUse::kShared || wish.rdma == RdmaUse::kExclusive) return no_netdev("rdma");
  return {};
}

Status check_rdma(const FoundVf& found, RdmaUse use) {
  if (use != RdmaUse::kShared && use != RdmaUse::kExclusive) return {};
  if (found.rdma.size() != 1) {
    std::string names;
    for (const auto& device : found.rdma) names += (names.empty() ? ": " : ", ") + device.name;
    return fail(Code::kInvalid, "rdma: " + called(found) + " has " +
                                    std::to_string(found.rdma.size()) +
                                    " RDMA devices; it must have one" + names);
  }
  if (use == RdmaUse::kExclusive && found.rdma_mode == RdmaMode::kShared) {
    return fail(Code::kPrecondition,
                "rdma: 'exclusive' is asked for, and the system shares RDMA devices among "
                "namespaces; set it at boot, before there are pods: ib_core netns_mode=0 as a "
                "module option, or `rdma system set netns exclusive`");
  }
  if (use == RdmaUse::kShared && found.rdma_mode == RdmaMode::kExclusive) {
    return fail(
        Code::kPrecondition,
        "rdma: 'shared' is asked for, and the system is in exclusive mode, where a pod sees "
        "its own RDMA devices only; ask for 'exclusive', or set it at boot: ib_core "
        "netns_mode=1 as a module option, or `rdma system set netns shared`");
  }
  return {};
}

Status check_infiniband(const FoundVf& found, const VfWish& wish) {
  const auto& attributes = wish.attributes;
  if (is_infiniband(found)) {
    if (!wish.mac) return {};
    return fail(Code::kInvalid, "mac: " + called(found) +
                                    " is InfiniBand, whose link address "
                                    "comes from its GUID; set that");
  }
  const char* key = attributes.node_guid || attributes.port_guid ? "guid" : wish.pkey ? "pkey" : "";
  if (*key == '\0') return {};
  return fail(Code::kInvalid, std::string(key) + ": " + called(found) + " isn't InfiniBand");
}

// The table is the subnet manager's to fill. A function in user space has none to look into.
Status check_pkey(const FoundVf& found, std::uint16_t pkey) {
  if (found.kind == PortKind::kUserSpace) return {};
  SLUICE_TRY(const auto root, os::Root::open(found.home.sysfs_root));
  SLUICE_TRY(const auto function, nic::read_function(root, found.vf.address));
  std::string table;
  for (const auto& device : function.rdma) {
    for (const auto& port : device.ports) {
      for (const auto in_table : port.pkeys) {
        if ((in_table & kPkeyBase) == (pkey & kPkeyBase)) return {};
        char text[8];
        std::snprintf(text, sizeof text, "0x%04x", in_table);
        if (table.size() < 200) table += (table.empty() ? "" : ", ") + std::string(text);
      }
    }
  }
  char text[8];
  std::snprintf(text, sizeof text, "0x%04x", pkey);
  return fail(Code::kPrecondition, "pkey: " + std::string(text) +
                                       " isn't in the partition table of " + called(found) +
                                       (table.empty() ? ", which is empty" : ": ") + table);
}

Status check_trunk(const FoundVf& found) {
  SLUICE_TRY(const auto root, os::Root::open(found.home.sysfs_root));
  auto now = nic::read_vlan_trunk(root, found.pf.address, found.vf.index);
  if (now) return {};
  return fail(std::move(now).error().with("looking for the VLAN trunk of " + called(found) +
                                          ", that 'trunk' is set by"));
}

// Of the netdev; for one in user space the administrative one.
MacAddr own_mac(const FoundVf& found) {
  if (found.kind == PortKind::kNetdev) return found.home.mac;
  return found.home.attributes.mac.value_or(MacAddr{});
}

// Only where something will be set on the PF, or a trusted pod could do so, is it worth a request.
// Without an answer the baseline's stay; the setting will say why there was none. A simulated NIC's
// are nobody's to set but ours, and one that was away during a DEL remembers the pod's.
void know_attributes(const FoundVf& found, Record& record) {
  auto& known = record.vf->attributes;
  const bool matters = asks_mac(record) || record.wish.attributes != netlink::VfAttributes{} ||
                       known.trust.value_or(false);
  const bool simulated = !found.home.vf_control_socket.empty();
  if (found.home_by != HomeBy::kLink || !matters || simulated) return;
  if (auto now = attributes_now(found.pf, found.vf, found.home.vf_control_socket)) known = *now;
}

}  // namespace

Status check_wish(const FoundVf& found, const VfWish& wish) {
  SLUICE_CHECK_OK(check_driver(found, wish));
  SLUICE_CHECK_OK(check_rdma(found, wish.rdma));
  SLUICE_CHECK_OK(check_infiniband(found, wish));
  if (wish.pkey) SLUICE_CHECK_OK(check_pkey(found, *wish.pkey));
  if (!wish.trunk.empty()) SLUICE_CHECK_OK(check_trunk(found));
  return {};
}

void describe_vf(const FoundVf& found, const VfWish& wish, Record& record) {
  record.kind = found.kind;
  record.vf = found.home;
  record.wish = wish;
  if (!wish.trunk.empty()) {
    const auto root = os::Root::open(found.home.sysfs_root);
    const auto now =
        root ? nic::read_vlan_trunk(*root, found.pf.address, found.vf.index) : fail(root.error());
    if (now) {
      for (const auto& range : *now) record.vf->trunk.push_back({range.first, range.last});
    }
  }
  const bool goes_along = wish.rdma == RdmaUse::kExclusive ||
                          (wish.rdma == RdmaUse::kAuto && found.rdma_mode == RdmaMode::kExclusive);
  record.rdma.clear();
  if (goes_along) {
    for (const auto& device : found.rdma) record.rdma.push_back(device.name);
  }
  if (record.mac.is_zero()) record.mac = wish.mac.value_or(own_mac(found));
  if (record.mtu == 0) record.mtu = wish.mtu.value_or(found.home.mtu);
  know_attributes(found, record);
}

}  // namespace sluice::cni
