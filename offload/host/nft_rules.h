// SPDX-License-Identifier: Apache-2.0
// The kernel's part of the node's packet path as nft scripts: pure functions from values to text.
//
// Contract: each script is one transaction that replaces its whole table, whether it is there or
// not. Names come from validated options and validated netdev names only; nothing needs quoting.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
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
// NodePorts, and hostPorts of the node's own address: what comes in on the uplink for the engine.
NodePorts claimed_ports_of(const model::Intent& intent);

// Address, protocol and port of the node -> address and port of the pod.
using HostPorts =
    std::map<std::tuple<Ipv4, model::Proto, std::uint16_t>, std::pair<Ipv4, std::uint16_t>>;
HostPorts host_ports_of(const model::Intent& intent);
// UDP ports that lead elsewhere than before.
std::set<std::pair<Ipv4, std::uint16_t>> changed_udp(const HostPorts& before,
                                                     const HostPorts& after);

// What of the uplink's frames is the engine's: the kernel must not see it (the leg's tap gets its
// copy before the ingress hook).
struct Claims {
  std::string uplink;
  Ipv4 node_address;
  Prefix4 pod_cidr;
  std::uint32_t vni = 0;
  std::uint16_t vxlan_port = 4789;
  model::PortRange masquerade;
  NodePorts ports;
  auto operator<=>(const Claims&) const = default;
};
std::string claims_script(const Claims& claims);

// What the node sends to its own NodePorts and hostPorts would stay on lo: steered to the gateway
// address, or to the pod, instead.
struct NodeSteering {
  std::string node0;  // the netdev
  Ipv4 node_address, node0_address, gateway;
  NodePorts node_ports;
  HostPorts host_ports;
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
