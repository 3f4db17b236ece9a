// SPDX-License-Identifier: Apache-2.0
// Stage 3: where it goes. TTL first, so that a packet punted for its TTL still has its own MACs.
#include "offload/planner/stages.h"

namespace sluice::planner {
namespace {

using model::Action;
using model::Match;
using model::PortId;
using model::Stage;

constexpr std::uint16_t kChosenNextHop = 10;
constexpr std::uint16_t kHere = 20;
constexpr std::uint16_t kOverlay = 30;
constexpr std::uint16_t kNoSuchPod = 800;
constexpr std::uint16_t kOutside = 900;
constexpr std::uint16_t kRest = 1000;

constexpr model::Masked<std::uint32_t> kFromLocal{model::meta::kLocal, model::meta::kOriginMask};

std::vector<Action> deliver(const MacAddr& from, const MacAddr& to, PortId port) {
  return {model::Count{}, model::DecTtl{}, model::SetEthSrc{from}, model::SetEthDst{to},
          model::Output{port}};
}

Match to_prefix(const Prefix4& prefix) {
  Match match;
  match.ip_dst = prefix;
  return match;
}

}  // namespace

void forward_basics(const Frame& frame, Rules& out) {
  RuleWriter rules(out, Stage::kForward, "node/" + frame.self.name);
  const auto to_node = deliver(frame.gateway_mac, frame.node0_mac, PortId::host());
  rules.add(kHere, to_prefix(host_prefix(frame.self.node0())), to_node,
            "to the node itself, by its pod-network address");
  rules.add(kHere, to_prefix(host_prefix(frame.self.address)), to_node,
            "to the node itself, by its own address");
  Match nobody = to_prefix(frame.self.pod_cidr);
  nobody.meta = kFromLocal;
  rules.add(kNoSuchPod, nobody, {model::Count{}, model::Punt{}},
            "no such pod: the slow path answers host unreachable");
  Match outside;
  outside.meta = kFromLocal;
  rules.add(kOutside, outside, {model::Count{}, model::Punt{}},
            "outside the cluster or not resolved yet: the slow path masquerades or waits");
  rules.add(kRest, Match{}, {model::Count{}, model::Drop{}},
            "from the wire or a tunnel to nobody here");
}

void forward_pod(const Frame& frame, const PodFact& pod, Rules& out) {
  RuleWriter rules(out, Stage::kForward, pod.owner);
  rules.add(kHere, to_prefix(host_prefix(pod.ip)), deliver(frame.gateway_mac, pod.mac, pod.port),
            "to the pod");
}

void forward_remote_node(const Frame& frame, const RemoteNodeFact& node, Rules& out) {
  RuleWriter rules(out, Stage::kForward, node.owner);
  const std::vector<Action> tunnel = {
      model::Count{},
      model::DecTtl{},
      model::SetEthSrc{frame.gateway_mac},
      model::SetEthDst{frame.gateway_mac},
      model::VxlanEncap{frame.uplink_mac, node.next_hop_mac, frame.self.address, node.address,
                        frame.vni, frame.vxlan_port},
      model::Output{PortId::uplink()}};
  Match match = to_prefix(host_prefix(node.address));
  match.meta = kFromLocal;
  rules.add(kOverlay, match, tunnel, "to the other node's own address, by the overlay");
  match.ip_dst = node.pod_cidr;
  rules.add(kOverlay, match, tunnel, "to pods of the other node, by the overlay");
}

void forward_next_hop(const Frame& frame, const NextHopFact& hop, Rules& out) {
  RuleWriter rules(out, Stage::kForward, hop.owner);
  Match match;
  match.meta = model::Masked<std::uint32_t>{hop.id, model::meta::kNextHopMask};
  rules.add(kChosenNextHop, match, deliver(frame.uplink_mac, hop.mac, PortId::uplink()),
            "connections that leave by the wire through this next hop");
}

}  // namespace sluice::planner
