// SPDX-License-Identifier: Apache-2.0
// The Intent: what the node's network shall be, as one immutable snapshot of plain values.
//
// Contract: built by the engine from its sources (Kubernetes objects, attachments, the kernel's
// next hops), handed to the planner and to the slow path as shared_ptr<const Intent>. Nobody
// changes a published Intent. Vectors are sorted by their key, so equal intents compare equal
// whatever the order of the events that led to them.
// Rules that are not ours: the Service fields mean what kubernetes core/v1 and discovery/v1 say.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/addr.h"
#include "offload/model/port.h"

namespace sluice::model {

// IP protocol numbers (IANA).
enum class Proto : std::uint8_t { kIcmp = 1, kTcp = 6, kUdp = 17 };
std::string_view to_string(Proto proto);  // "icmp", "tcp", "udp"

// A port of the node that leads to a port of a pod.
struct HostPort {
  Proto proto = Proto::kTcp;  // TCP or UDP
  std::uint16_t port = 0;     // of the node
  std::uint16_t pod_port = 0;
  Ipv4 address;  // one of the node's own, or 127.0.0.1; zero: all of them
  bool covers(Ipv4 own) const { return address.is_zero() || address == own; }
  // Whether a packet could be meant for either.
  bool collides(const HostPort& other) const;
  std::string to_string() const;  // "tcp 172.30.0.11:8080", "udp *:53"
  auto operator<=>(const HostPort&) const = default;
};

// One pod interface on this node. Key: id.
struct Attachment {
  std::string id;                      // "<container id>/<interface>", unique on the node
  std::string pod;                     // "<namespace>/<name>"
  std::string interface;               // its name in the pod, e.g. "eth0"
  PortId port;                         // a VF of its own, or host for a veth
  MacAddr mac;                         // unique on the node
  Ipv4 ip;                             // unique in the cluster
  std::string device;                  // VF: PCI address; veth: its host side's name
  std::vector<HostPort> host_ports{};  // sorted; none collides with another of the node
  auto operator<=>(const Attachment&) const = default;
};

// A node that runs an engine (this one too). Key: name.
struct Node {
  std::string name;
  Ipv4 address;      // its InternalIP, on the uplink's network
  Prefix4 pod_cidr;  // its pod block
  Ipv4 node0() const {
    return Ipv4{pod_cidr.address.value + 1};
  }  // the node's own pod-network address
  auto operator<=>(const Node&) const = default;
};

enum class TrafficPolicy : std::uint8_t { kCluster, kLocal };

struct Endpoint {
  Ipv4 ip;
  std::uint16_t port = 0;
  std::string node;          // "" when unknown
  bool ready = true;         // discovery/v1: nil means true
  bool serving = true;       // nil means true
  bool terminating = false;  // nil means false
  auto operator<=>(const Endpoint&) const = default;
};

struct ServicePort {
  std::string name;                 // may be ""
  Proto proto = Proto::kTcp;        // TCP or UDP
  std::uint16_t port = 0;           // on the cluster IP
  std::uint16_t node_port = 0;      // 0: none
  std::vector<Endpoint> endpoints;  // all of them, of every node and condition; sorted
  auto operator<=>(const ServicePort&) const = default;
};

// Key: name. Headless services and ExternalName never get here.
struct Service {
  std::string name;  // "<namespace>/<name>"
  Ipv4 cluster_ip;
  TrafficPolicy external_policy = TrafficPolicy::kCluster;
  TrafficPolicy internal_policy = TrafficPolicy::kCluster;
  std::vector<ServicePort> ports;  // sorted by (proto, port)
  auto operator<=>(const Service&) const = default;
};

// An on-link neighbour on the uplink's network, as the kernel resolved it. Key: ip.
// `id` is stable for as long as the next hop is known; 1 to kMaxId.
struct NextHop {
  static constexpr std::uint32_t kMaxId = 0xffff;
  std::uint32_t id = 0;
  Ipv4 ip;
  MacAddr mac;  // zero while unresolved
  bool resolved = false;
  auto operator<=>(const NextHop&) const = default;
};

// Which on-link next hop a destination behind the uplink is reached by. Key: destination.
struct OuterRoute {
  Ipv4 destination;
  std::uint32_t next_hop = 0;  // NextHop::id
  auto operator<=>(const OuterRoute&) const = default;
};

struct PortRange {
  std::uint16_t first = 0;  // both ends belong to it
  std::uint16_t last = 0;
  bool contains(std::uint16_t port) const { return port >= first && port <= last; }
  auto operator<=>(const PortRange&) const = default;
};

struct Intent {
  std::string self;       // this node's name; one of `nodes`
  Ipv4 gateway_ip;        // every pod's default gateway, the same everywhere (169.254.1.1)
  MacAddr gateway_mac;    // answered by the engine on every port
  MacAddr node0_mac;      // the node's veth behind the host port
  MacAddr uplink_mac;     // the uplink netdev's own
  std::uint32_t vni = 0;  // 24 bits
  std::uint16_t vxlan_port = 4789;  // RFC 7348
  PortRange masquerade;  // a power-of-two block, aligned to its size: one masked rule matches it
  std::uint16_t uplink_mtu = 1500;

  std::vector<Node> nodes;
  std::vector<Attachment> attachments;
  std::vector<Service> services;
  std::vector<NextHop> next_hops;
  std::vector<OuterRoute> outer_routes;

  const Node* find_node(std::string_view name) const;
  const Node& self_node() const;  // requires: self is one of nodes
  auto operator<=>(const Intent&) const = default;
};

using IntentPtr = std::shared_ptr<const Intent>;

// How much a VXLAN header adds to an inner IP packet: outer IPv4 20, UDP 8, VXLAN 8, inner
// Ethernet 14.
inline constexpr std::uint16_t kVxlanOverhead = 50;

}  // namespace sluice::model
