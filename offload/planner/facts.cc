// SPDX-License-Identifier: Apache-2.0
#include "offload/planner/facts.h"

#include <algorithm>
#include <unordered_map>

namespace sluice::planner {
namespace {

void add_pods(const model::Intent& intent, std::vector<Fact>& facts) {
  for (const auto& pod : intent.attachments) {
    const std::string owner = "attachment/" + pod.id;
    facts.emplace_back(PodFact{owner, pod.port, pod.mac, pod.ip});
    for (const auto& port : pod.host_ports) {
      facts.emplace_back(HostPortFact{owner, port});
      facts.emplace_back(EndpointFact{owner, port.proto, pod.ip, port.pod_port});
    }
  }
}

void add_services(const model::Intent& intent, std::vector<Fact>& facts) {
  for (const auto& service : intent.services) {
    const std::string name = "service/" + service.name;
    facts.emplace_back(ServiceFact{name, service.cluster_ip});
    for (const auto& port : service.ports) {
      const std::string owner =
          name + ":" + std::to_string(port.port) + "/" + std::string(model::to_string(port.proto));
      if (port.node_port != 0) facts.emplace_back(NodePortFact{owner, port.proto, port.node_port});
      for (const auto& endpoint : port.endpoints) {
        facts.emplace_back(EndpointFact{owner, port.proto, endpoint.ip, endpoint.port});
      }
    }
  }
}

void add_nodes(const model::Intent& intent, std::vector<Fact>& facts) {
  std::unordered_map<std::uint32_t, const model::NextHop*> resolved;
  for (const auto& hop : intent.next_hops) {
    // 0 in `meta` says "no next hop"; an id outside of its 16 bits would alias another one.
    const bool usable = hop.resolved && hop.id != 0 && hop.id <= model::NextHop::kMaxId;
    if (!usable) continue;
    facts.emplace_back(NextHopFact{"nexthop/" + hop.ip.to_string(), hop.id, hop.mac});
    resolved.emplace(hop.id, &hop);
  }
  std::unordered_map<Ipv4, const model::NextHop*> by_destination;
  for (const auto& route : intent.outer_routes) {
    const auto hop = resolved.find(route.next_hop);
    if (hop != resolved.end()) by_destination.emplace(route.destination, hop->second);
  }
  for (const auto& node : intent.nodes) {
    if (node.name == intent.self) continue;
    // A block of everything would say that nobody is outside.
    if (node.pod_cidr.length != 0) {
      facts.emplace_back(NodeBlockFact{"node/" + node.name, node.pod_cidr});
    }
    const auto hop = by_destination.find(node.address);
    if (hop == by_destination.end()) continue;
    facts.emplace_back(
        RemoteNodeFact{"node/" + node.name, node.address, node.pod_cidr, hop->second->mac});
  }
}

}  // namespace

Frame frame_of(const model::Intent& intent, const model::Node& self) {
  return Frame{
      self,       intent.gateway_ip, intent.gateway_mac, intent.node0_mac, intent.uplink_mac,
      intent.vni, intent.vxlan_port, intent.masquerade};
}

std::vector<Fact> facts_of(const model::Intent& intent) {
  std::vector<Fact> facts;
  add_pods(intent, facts);
  add_services(intent, facts);
  add_nodes(intent, facts);
  std::sort(facts.begin(), facts.end());
  facts.erase(std::unique(facts.begin(), facts.end()), facts.end());
  return facts;
}

}  // namespace sluice::planner
