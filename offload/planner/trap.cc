// SPDX-License-Identifier: Apache-2.0
// Stages 1 and 2: exact flows of connections go first; what else the slow path must see.
#include "offload/planner/stages.h"

namespace sluice::planner {
namespace {

using model::Match;
using model::Proto;
using model::Stage;

constexpr std::uint16_t kForged = 5;
constexpr std::uint16_t kService = 10;
constexpr std::uint16_t kEndpoint = 20;
constexpr std::uint16_t kWhole = 900;
constexpr std::uint16_t kFragment = 950;
constexpr std::uint16_t kRest = 1000;

constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;

// RFC 792: the errors, which quote the packet that they are about.
constexpr std::uint8_t kIcmpErrors[] = {3, 11, 12};

Match to_address(Ipv4 ip) {
  Match match;
  match.ip_dst = host_prefix(ip);
  return match;
}

// Out of a tunnel under an address of this node's own. Here and not in the stage before, because
// the flows there ask for the origin themselves: only what has no flow is looked at once more.
void forged(const Prefix4& source, RuleWriter& rules, std::string why) {
  Match match;
  match.ip_src = source;
  match.meta = model::Masked<std::uint32_t>{model::meta::kTunnel, model::meta::kOriginMask};
  rules.add(kForged, match, {model::Count{}, model::Drop{}}, std::move(why));
}

}  // namespace

void trap_basics(const Frame& frame, Rules& out) {
  const std::string owner = "node/" + frame.self.name;
  RuleWriter connection(out, Stage::kConnection, owner);
  connection.add(kRest, Match{}, {model::Jump{Stage::kTrap}}, "no connection's exact flow");

  RuleWriter rules(out, Stage::kTrap, owner);
  forged(frame.self.pod_cidr, rules, "forged: the overlay brings none of this node's own pods");
  forged(host_prefix(frame.self.address), rules, "forged: the overlay does not bring this node");
  forged(host_prefix(frame.gateway_ip), rules, "forged: the gateway address is this node's own");
  for (const Proto proto : {Proto::kTcp, Proto::kUdp}) {
    for (const Ipv4 ip : {frame.self.address, frame.self.node0()}) {
      Match match = to_address(ip);
      match.proto = proto;
      match.l4_dst = block(frame.masquerade);
      rules.add(kService, match, {model::Punt{}},
                "replies to masqueraded connections that have no flow (yet)");
    }
  }
  rules.add(kService, to_address(frame.gateway_ip), {model::Punt{}},
            "the gateway address is the slow path's: hairpin replies, ping");
  for (const std::uint8_t type : kIcmpErrors) {
    Match error;
    error.ip_dst = frame.self.pod_cidr;
    error.proto = Proto::kIcmp;
    error.icmp_type = type;
    rules.add(kEndpoint, error, {model::Punt{}},
              "ICMP errors may quote a translated packet of a local pod");
  }
  Match whole;
  whole.untagged = true;
  whole.whole = true;
  rules.add(kWhole, whole, {model::Jump{Stage::kForward}}, "nothing for the slow path");
  Match fragment;
  fragment.eth_type = kEtherTypeIpv4;
  fragment.untagged = true;
  rules.add(kFragment, fragment, {model::Punt{}},
            "fragments: only the slow path knows which connection they belong to");
  rules.add(kRest, Match{}, {model::Count{}, model::Drop{}},
            "out of a tunnel, and not IPv4 or with a VLAN tag of its own");
}

void trap_service(const ServiceFact& service, Rules& out) {
  RuleWriter rules(out, Stage::kTrap, service.owner);
  rules.add(kService, to_address(service.cluster_ip), {model::Punt{}},
            "new connections to the cluster IP; unknown ports are refused");
  forged(host_prefix(service.cluster_ip), rules,
         "forged: the client's node answers for the cluster IP");
}

void trap_node_port(const Frame& frame, const NodePortFact& port, Rules& out) {
  RuleWriter rules(out, Stage::kTrap, port.owner);
  Match match = to_address(frame.self.address);
  match.proto = port.proto;
  match.l4_dst = exact(port.node_port);
  rules.add(kService, match, {model::Punt{}}, "new connections to this node's NodePort");
  match.ip_dst = host_prefix(frame.gateway_ip);
  rules.add(kService, match, {model::Punt{}},
            "the node's own connections to its NodePort, by the gateway address");
}

void trap_host_port(const Frame& frame, const HostPortFact& fact, Rules& out) {
  RuleWriter rules(out, Stage::kTrap, fact.owner);
  for (const Ipv4 own : {frame.self.address, frame.self.node0()}) {
    if (!fact.port.covers(own)) continue;
    Match match = to_address(own);
    match.proto = fact.port.proto;
    match.l4_dst = exact(fact.port.port);
    rules.add(kService, match, {model::Punt{}}, "new connections to this hostPort of the pod");
  }
}

void trap_endpoint(const Frame& frame, const EndpointFact& endpoint, Rules& out) {
  RuleWriter rules(out, Stage::kTrap, endpoint.owner);
  Match reply;
  reply.proto = endpoint.proto;
  reply.ip_src = host_prefix(endpoint.ip);
  reply.l4_src = exact(endpoint.port);
  reply.ip_dst = frame.self.pod_cidr;
  rules.add(kEndpoint, reply, {model::Punt{}},
            "replies of the endpoint to local pods whose connection has no flow (yet)");
  Match direct;
  direct.proto = endpoint.proto;
  direct.ip_dst = host_prefix(endpoint.ip);
  direct.l4_dst = exact(endpoint.port);
  direct.ip_src = frame.self.pod_cidr;
  rules.add(kEndpoint, direct, {model::Punt{}},
            "direct connections of local pods to the endpoint are tracked, so that their replies "
            "are never taken for a service's");
}

}  // namespace sluice::planner
