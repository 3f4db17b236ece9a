// SPDX-License-Identifier: Apache-2.0
// The kernel's part of the node's packet path as nft scripts: pure functions from values to text.
//
// Contract: each script is one transaction that replaces its whole table, whether it is there or
// not. Names come from validated options and validated netdev names only; nothing needs quoting.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "offload/model/intent.h"

namespace sluice::host {

inline constexpr std::string_view kClaimsTable = "sluice-claims";  // family netdev
inline constexpr std::string_view kNodeTable = "sluice-node";      // family ip
inline constexpr std::string_view kBridgeTable = "sluice-bridge";  // family bridge

using NodePorts = std::set<std::pair<model::Proto, std::uint16_t>>;
NodePorts node_ports_of(const model::Intent& intent);

// What of the uplink's frames is the engine's: the kernel must not see it (the leg's tap gets its
// copy before the ingress hook).
struct Claims {
  std::string uplink;
  Ipv4 node_address;
  Prefix4 pod_cidr;
  std::uint32_t vni = 0;
  std::uint16_t vxlan_port = 4789;
  model::PortRange masquerade;
  NodePorts node_ports;
  auto operator<=>(const Claims&) const = default;
};
std::string claims_script(const Claims& claims);

// What the node sends to its own NodePorts would stay on lo: steered to the gateway address
// instead.
struct NodeSteering {
  std::string node0;  // the netdev
  Ipv4 node_address, node0_address, gateway;
  NodePorts node_ports;
  auto operator<=>(const NodeSteering&) const = default;
};
std::string steering_script(const NodeSteering& steering);

// Nothing that pods or the engine send gets up to the bridge device itself.
std::string bridge_script(const std::set<std::string>& ports);
std::string add_port_script(std::string_view port);
std::string remove_port_script(std::string_view port);

std::string drop_table_script(std::string_view family, std::string_view table);

// A netdev name that can stand in a script: 1 to 15 of A-Z a-z 0-9 . _ -
Status check_netdev_name(std::string_view field, std::string_view name);

}  // namespace sluice::host
