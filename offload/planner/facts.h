// SPDX-License-Identifier: Apache-2.0
// An Intent taken apart into facts: the smallest objects that rules are made from. A fact's rules
// depend on nothing but the fact and the node's Frame; that is what makes planning incremental.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "offload/model/intent.h"

namespace sluice::planner {

// What every rule may depend on. A change of it replans everything.
struct Frame {
  model::Node self;
  Ipv4 gateway_ip;
  MacAddr gateway_mac;
  MacAddr node0_mac;
  MacAddr uplink_mac;
  std::uint32_t vni = 0;
  std::uint16_t vxlan_port = 0;
  model::PortRange masquerade;
  auto operator<=>(const Frame&) const = default;
};

struct PodFact {
  std::string owner;  // "attachment/<id>"
  model::PortId port;
  MacAddr mac;
  Ipv4 ip;
  auto operator<=>(const PodFact&) const = default;
};

struct ServiceFact {
  std::string owner;  // "service/<namespace>/<name>"
  Ipv4 cluster_ip;
  auto operator<=>(const ServiceFact&) const = default;
};

struct NodePortFact {
  std::string owner;  // "service/<namespace>/<name>:<port>/<proto>"
  model::Proto proto = model::Proto::kTcp;
  std::uint16_t node_port = 0;
  auto operator<=>(const NodePortFact&) const = default;
};

struct HostPortFact {
  std::string owner;  // "attachment/<id>"
  model::HostPort port;
  auto operator<=>(const HostPortFact&) const = default;
};

struct EndpointFact {
  std::string owner;  // of its service port or its attachment
  model::Proto proto = model::Proto::kTcp;
  Ipv4 ip;
  std::uint16_t port = 0;
  auto operator<=>(const EndpointFact&) const = default;
};

// Another node's pod block, whether it can be reached or not.
struct NodeBlockFact {
  std::string owner;  // "node/<name>"
  Prefix4 pod_cidr;
  auto operator<=>(const NodeBlockFact&) const = default;
};

// Another node that can be reached: its outer route's next hop is resolved.
struct RemoteNodeFact {
  std::string owner;  // "node/<name>"
  Ipv4 address;
  Prefix4 pod_cidr;
  MacAddr next_hop_mac;
  auto operator<=>(const RemoteNodeFact&) const = default;
};

struct NextHopFact {
  std::string owner;  // "nexthop/<ip>"
  std::uint32_t id = 0;
  MacAddr mac;
  auto operator<=>(const NextHopFact&) const = default;
};

using Fact = std::variant<PodFact, ServiceFact, NodePortFact, HostPortFact, EndpointFact,
                          NodeBlockFact, RemoteNodeFact, NextHopFact>;

Frame frame_of(const model::Intent& intent, const model::Node& self);
std::vector<Fact> facts_of(const model::Intent& intent);  // sorted, no two equal

}  // namespace sluice::planner
