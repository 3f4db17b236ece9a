// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "common/nic/drivers.h"
#include "common/nic/vf_control.h"
#include "sriov-cni/ports/own_link.h"
#include "sriov-cni/ports/vf.h"
#include "sriov-cni/ports/vf_rdma.h"
#include "sriov-cni/ports/vf_restore.h"

namespace sluice::cni {
namespace {

using netlink::Link;
using Differences = std::vector<std::string>;

void note(Differences& out, const std::string& what, const std::string& is,
          const std::string& wanted) {
  out.push_back(what + " is " + is + ", not " + wanted);
}

std::string on_off(bool value) { return value ? "on" : "off"; }
template <class T>
std::string text_of(T value) {
  return std::to_string(value);
}
template <>
std::string text_of(bool value) {
  return on_off(value);
}
template <>
std::string text_of(netlink::VfLinkState state) {
  return state == netlink::VfLinkState::kAuto     ? "auto"
         : state == netlink::VfLinkState::kEnable ? "enable"
                                                  : "disable";
}

template <class T>
void compare(Differences& out, const char* key, const std::optional<T>& wanted,
             const std::optional<T>& now) {
  if (wanted && now && *wanted != *now) note(out, key, text_of(*now), text_of(*wanted));
}

void compare_guid(Differences& out, const char* key, const std::optional<std::uint64_t>& wanted,
                  const std::optional<std::uint64_t>& now) {
  if (!wanted || !now || *wanted == *now) return;
  const auto text = [](std::uint64_t guid) {
    char buffer[19];
    std::snprintf(buffer, sizeof buffer, "0x%016llx", static_cast<unsigned long long>(guid));
    return std::string(buffer);
  };
  note(out, key, text(*now), text(*wanted));
}

Status check_attributes(const Record& record, const nic::Pf& pf, const nic::Vf& vf,
                        Differences& out) {
  auto wish = record.wish.attributes;
  wish.mac.reset();
  const bool mac = asks_mac(record);
  if (!mac && wish == nic::VfAttributes{}) return {};
  SLUICE_TRY(const auto control, nic::make_vf_control(pf, record.vf->vf_control_socket));
  SLUICE_TRY(const auto now, control->attributes(vf));
  if (mac && now.mac && *now.mac != record.mac) {
    note(out, "the administrative MAC of VF " + record.vf->pci, now.mac->to_string(),
         record.mac.to_string());
  }
  compare(out, "vlan", wish.vlan, now.vlan);
  compare(out, "vlanQoS", wish.qos, now.qos);
  compare(out, "vlanProto", wish.vlan_protocol, now.vlan_protocol);
  compare(out, "min_tx_rate", wish.min_rate_mbps, now.min_rate_mbps);
  compare(out, "max_tx_rate", wish.max_rate_mbps, now.max_rate_mbps);
  compare(out, "spoofchk", wish.spoof_check, now.spoof_check);
  compare(out, "trust", wish.trust, now.trust);
  compare(out, "rss_query", wish.rss_query, now.rss_query);
  compare(out, "link_state", wish.link_state, now.link_state);
  compare_guid(out, "node GUID", wish.node_guid, now.node_guid);
  compare_guid(out, "port GUID", wish.port_guid, now.port_guid);
  return {};
}

void compare_link(const Record& record, const Link& link, Differences& out) {
  const auto& name = record.key.interface;
  if (!record.mac.is_zero() && !link.mac.is_zero() && link.mac != record.mac) {
    note(out, "the MAC of " + name, link.mac.to_string(), record.mac.to_string());
  }
  if (record.mtu != 0 && link.mtu != record.mtu) {
    note(out, "the MTU of " + name, std::to_string(link.mtu), std::to_string(record.mtu));
  }
  if (!link.up) note(out, name, "down", "up");
  const auto& wish = record.wish;
  if (wish.promiscuous && *wish.promiscuous != link.promiscuous) {
    note(out, "promisc of " + name, on_off(link.promiscuous), on_off(*wish.promiscuous));
  }
  if (wish.all_multicast && *wish.all_multicast != link.all_multicast) {
    note(out, "allmulti of " + name, on_off(link.all_multicast), on_off(*wish.all_multicast));
  }
}

Status check_link(const Record& record, const os::NetNs& pod, Differences& out) {
  SLUICE_TRY(auto there, netlink::Rtnl::open_in(pod));
  const auto marks = marks_of(record);
  SLUICE_TRY(const auto link, find_own(there, marks));
  if (!link) {
    out.push_back("VF " + record.vf->pci + " isn't in the pod");
    return {};
  }
  if (link->name != record.key.interface) {
    note(out, "the name of VF " + record.vf->pci, "'" + link->name + "'",
         "'" + record.key.interface + "'");
  }
  compare_link(record, *link, out);
  SLUICE_TRY(const auto missing, missing_rdma(record.rdma, link->index, pod));
  for (const auto& name : missing) out.push_back("RDMA device " + name + " isn't in the pod");
  return {};
}

}  // namespace

Result<std::vector<std::string>> check_vf(Nics& nics, const Record& record, const os::NetNs& pod) {
  if (!record.vf) return fail(Code::kInternal, "the record of " + record.id() + " has no VF");
  SLUICE_TRY(const auto address, nic::PciAddress::parse(record.vf->pci));
  Differences out;
  const auto now = nics.vf(record.vf->sysfs_root, address);
  if (!now && now.error().code != Code::kNotFound) return fail(now.error());
  if (!now) {
    out.push_back("VF " + record.vf->pci + " is gone from its PF");
    return out;
  }
  SLUICE_CHECK_OK(check_attributes(record, *now->pf, now->vf, out));
  if (record.kind == PortKind::kNetdev) {
    SLUICE_CHECK_OK(check_link(record, pod, out));
  } else if (!nic::makes_no_netdev(now->vf.driver)) {
    note(out, "the driver of VF " + record.vf->pci, "'" + now->vf.driver + "'",
         "one for user space");
  }
  return out;
}

}  // namespace sluice::cni
