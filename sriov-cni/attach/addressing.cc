// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/addressing.h"

#include <sys/utsname.h>

#include "common/os/netns.h"

namespace sluice::cni {
namespace {

std::string node_name() {
  struct utsname names {};
  return ::uname(&names) == 0 ? names.nodename : "";
}

// Where ADD's namespace was; "" when another one is there by now.
std::string netns_of_add(const Record& record) {
  const auto now = os::NetNs::open(record.netns);
  return now && now->inode() != record.netns_inode ? "" : record.netns;
}

}  // namespace

IpamSource ipam_source(const Context& context, const NodeFacts* facts, const FoundVf* vf) {
  const auto& config = context.config;
  IpamSource out;
  out.kind = config.ipam;
  out.state_dir = config.state_dir;
  out.network = config.name;
  switch (config.ipam) {
    case IpamKind::kNone:
      break;
    case IpamKind::kNodeBlock:
      if (facts == nullptr) break;
      out.node = facts->node;
      out.block = facts->pod_block.to_string();
      out.gateway = facts->gateway.to_string();
      break;
    case IpamKind::kPool:
      out.node = facts != nullptr ? facts->node : node_name();
      out.text = config.ipam_text;
      if (vf == nullptr) break;
      out.rail.push_back(vf->pf.address.to_string());
      if (vf->pf.netdev) out.rail.push_back(vf->pf.netdev->name);
      break;
    case IpamKind::kDelegate:
      out.type = config.ipam_type;
      out.text = config.text;
      out.plugin_path = context.call.plugin_path;
      break;
  }
  return out;
}

IpamOwner ipam_owner(const Context& context, const Record& record, const std::string& netns) {
  IpamOwner out;
  out.key = record.key;
  out.netns = netns.empty() ? netns_of_add(record) : netns;
  out.pod = record.pod;
  out.args = record.args;
  // A dead pod's attachment may be undone by another one's call.
  if (record.key.container_id != context.call.container_id) return out;
  if (!context.call.args.empty()) out.args = context.call.args;
  // One interface of the pod has what was asked for.
  if (record.key.interface != context.call.interface) return out;
  out.mac = context.config.vf.mac;
  out.requested = context.config.requested_addresses;
  return out;
}

bool port_comes_first(const Record& record) {
  return record.ipam.kind == IpamKind::kDelegate && record.engine == EngineState::kNone &&
         record.kind != PortKind::kUserSpace;
}

MacAddr mac_of(Ipv4 ip) {
  const auto byte = [&](unsigned shift) { return static_cast<std::uint8_t>(ip.value >> shift); };
  return MacAddr{{0x0a, 0x58, byte(24), byte(16), byte(8), byte(0)}};
}

}  // namespace sluice::cni
