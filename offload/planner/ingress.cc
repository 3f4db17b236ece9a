// SPDX-License-Identifier: Apache-2.0
// Stage 0: who sent it, and may it.
#include "offload/planner/stages.h"

namespace sluice::planner {
namespace {

using model::Action;
using model::Match;
using model::PortId;
using model::Proto;
using model::Stage;

constexpr std::uint16_t kEtherTypeArp = 0x0806;
constexpr std::uint16_t kAccept = 10;
constexpr std::uint16_t kForged = 15;
constexpr std::uint16_t kClaim = 20;
constexpr std::uint16_t kRest = 900;
constexpr std::uint16_t kNobody = 1000;

// RFC 792: echo reply and the errors that belong to a connection.
constexpr std::uint8_t kIcmpTypes[] = {0, 3, 11, 12};

std::vector<Action> from(std::uint32_t origin) {
  return {model::SetMeta{origin}, model::Jump{Stage::kConnection}};
}

std::vector<Action> count_and_drop() { return {model::Count{}, model::Drop{}}; }

Match from_port(PortId port) {
  Match match;
  match.in_port = port;
  return match;
}

// What is let in carries no VLAN tag: nobody here is on a VLAN, and a tag would be carried along.
Match untagged_from(PortId port) {
  Match match = from_port(port);
  match.untagged = true;
  return match;
}

Match sender(PortId port, const MacAddr& mac, Ipv4 ip) {
  Match match = untagged_from(port);
  match.eth_src = mac;
  match.ip_src = host_prefix(ip);
  return match;
}

Match arp_of(PortId port, const MacAddr& mac) {
  Match match = untagged_from(port);
  match.eth_src = mac;
  match.eth_type = kEtherTypeArp;
  return match;
}

// Plain IP from the wire to this node's address.
Match wire_to_node(const Frame& frame) {
  Match match = untagged_from(PortId::uplink());
  match.eth_dst = frame.uplink_mac;
  match.ip_dst = host_prefix(frame.self.address);
  return match;
}

void node_as_sender(const Frame& frame, RuleWriter& rules) {
  const PortId host = PortId::host();
  rules.add(kAccept, sender(host, frame.node0_mac, frame.self.node0()), from(model::meta::kLocal),
            "the node itself, by its pod-network address");
  rules.add(kAccept, sender(host, frame.node0_mac, frame.self.address), from(model::meta::kLocal),
            "the node itself, by its own address");
  rules.add(kAccept, arp_of(host, frame.node0_mac), {model::Punt{}},
            "the node asks for the gateway's MAC");
  rules.add(kRest, from_port(host), count_and_drop(),
            "spoofed: no pod behind the host port has this MAC and address");
}

// Plain on the wire under an address that only the cluster's inside has. Overlay packets, whose
// outer source this would be, were accepted before.
void forged(const Prefix4& source, RuleWriter& rules, std::string why) {
  Match match = from_port(PortId::uplink());
  match.ip_src = source;
  rules.add(kForged, match, count_and_drop(), std::move(why));
}

void wire_claims(const Frame& frame, RuleWriter& rules) {
  const PortId uplink = PortId::uplink();
  Match tunnel = wire_to_node(frame);
  tunnel.tunnel_vni = frame.vni;
  rules.add(
      kAccept, tunnel,
      {model::SetMeta{model::meta::kTunnel}, model::VxlanDecap{}, model::Jump{Stage::kConnection}},
      "overlay packets for this node");
  for (const Proto proto : {Proto::kTcp, Proto::kUdp}) {
    Match replies = wire_to_node(frame);
    replies.proto = proto;
    replies.l4_dst = block(frame.masquerade);
    rules.add(kClaim, replies, from(model::meta::kWire), "replies to masqueraded connections");
  }
  for (const std::uint8_t type : kIcmpTypes) {
    Match icmp = wire_to_node(frame);
    icmp.proto = Proto::kIcmp;
    icmp.icmp_type = type;
    rules.add(kClaim, icmp, {model::SetMeta{model::meta::kWire}, model::Punt{}},
              "ICMP replies and errors may belong to a masqueraded connection");
  }
  Match pods = untagged_from(uplink);
  pods.eth_dst = frame.uplink_mac;
  pods.ip_dst = frame.self.pod_cidr;
  rules.add(kClaim, pods, from(model::meta::kWire), "plain IP from the wire to local pods");
  rules.add(kRest, from_port(uplink), count_and_drop(), "not claimed: the kernel has its own copy");
}

}  // namespace

void ingress_basics(const Frame& frame, Rules& out) {
  RuleWriter rules(out, Stage::kIngress, "node/" + frame.self.name);
  node_as_sender(frame, rules);
  forged(frame.self.pod_cidr, rules, "forged: the wire has none of this node's pods");
  forged(host_prefix(frame.self.address), rules, "forged: the wire does not have this node");
  forged(host_prefix(frame.gateway_ip), rules, "forged: the gateway address is this node's own");
  wire_claims(frame, rules);
  rules.add(kNobody, Match{}, count_and_drop(), "from a port that nobody is attached to");
}

void ingress_pod(const PodFact& pod, Rules& out) {
  RuleWriter rules(out, Stage::kIngress, pod.owner);
  rules.add(kAccept, sender(pod.port, pod.mac, pod.ip), from(model::meta::kLocal),
            "the pod, by its own MAC and address");
  rules.add(kAccept, arp_of(pod.port, pod.mac), {model::Punt{}},
            "the pod asks for the gateway's MAC");
  if (pod.port.kind == PortId::Kind::kVf) {
    rules.add(kRest, from_port(pod.port), count_and_drop(),
              "spoofed: not the MAC and address of this VF's pod");
  }
}

void ingress_service(const ServiceFact& service, Rules& out) {
  RuleWriter rules(out, Stage::kIngress, service.owner);
  forged(host_prefix(service.cluster_ip), rules, "forged: cluster IPs speak inside nodes only");
}

void ingress_node_block(const NodeBlockFact& node, Rules& out) {
  RuleWriter rules(out, Stage::kIngress, node.owner);
  forged(node.pod_cidr, rules, "forged: pods of other nodes come by the overlay");
}

void ingress_node_port(const Frame& frame, const NodePortFact& port, Rules& out) {
  RuleWriter rules(out, Stage::kIngress, port.owner);
  Match match = wire_to_node(frame);
  match.proto = port.proto;
  match.l4_dst = exact(port.node_port);
  rules.add(kClaim, match, from(model::meta::kWire), "connections from outside to this NodePort");
}

// To node0's address all of the wire's packets are claimed with the pod block.
void ingress_host_port(const Frame& frame, const HostPortFact& fact, Rules& out) {
  if (!fact.port.covers(frame.self.address)) return;
  RuleWriter rules(out, Stage::kIngress, fact.owner);
  Match match = wire_to_node(frame);
  match.proto = fact.port.proto;
  match.l4_dst = exact(fact.port.port);
  rules.add(kClaim, match, from(model::meta::kWire),
            "connections from outside to this hostPort of the pod");
}

}  // namespace sluice::planner
