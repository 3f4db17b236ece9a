// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/topology.h"

#include <algorithm>

namespace sluice::slowpath {

Topology::Topology(model::IntentPtr intent)
    : intent_(std::move(intent)), self_(intent_->find_node(intent_->self)) {
  for (const auto& attachment : intent_->attachments) pods_.emplace(attachment.ip, &attachment);
  for (const auto& node : intent_->nodes) {
    if (&node == self_) continue;
    node_addresses_.emplace(node.address, &node);
    auto same_length = std::find_if(blocks_.begin(), blocks_.end(), [&](const auto& block) {
      return block.first.length == node.pod_cidr.length;
    });
    if (same_length == blocks_.end()) {
      blocks_.emplace_back(Prefix4{{}, node.pod_cidr.length},
                           std::unordered_map<Ipv4, const model::Node*>{});
      same_length = std::prev(blocks_.end());
    }
    same_length->second.emplace(node.pod_cidr.address, &node);
  }
  // The longest prefix first, as in any routing table.
  std::sort(blocks_.begin(), blocks_.end(),
            [](const auto& a, const auto& b) { return a.first.length > b.first.length; });
  std::unordered_map<std::uint32_t, const model::NextHop*> by_id;
  for (const auto& hop : intent_->next_hops) by_id.emplace(hop.id, &hop);
  for (const auto& route : intent_->outer_routes) {
    if (const auto hop = by_id.find(route.next_hop); hop != by_id.end()) {
      hops_.emplace(route.destination, hop->second);
    }
  }
}

std::uint16_t Topology::pod_mtu() const {
  const int mtu = intent_->uplink_mtu - model::kVxlanOverhead;
  return static_cast<std::uint16_t>(std::max(mtu, 68));  // RFC 791: every network carries 68
}

const model::Attachment* Topology::pod(Ipv4 ip) const {
  const auto found = pods_.find(ip);
  return found == pods_.end() ? nullptr : found->second;
}

const model::Node* Topology::other_node(Ipv4 ip) const {
  if (const auto node = node_addresses_.find(ip); node != node_addresses_.end()) {
    return node->second;
  }
  for (const auto& [length, nodes] : blocks_) {
    if (const auto node = nodes.find(Ipv4{ip.value & length.mask()}); node != nodes.end()) {
      return node->second;
    }
  }
  return nullptr;
}

Place Topology::place_of(Ipv4 ip) const {
  if (pod(ip) != nullptr) return Place::kLocalPod;
  if (is_self(ip)) return Place::kSelf;
  if (self_->pod_cidr.contains(ip)) return Place::kNoPod;
  if (node_addresses_.contains(ip)) return Place::kNode;
  return other_node(ip) != nullptr ? Place::kRemotePod : Place::kOutside;
}

Path Topology::path_to(Ipv4 ip) const {
  switch (place_of(ip)) {
    case Place::kLocalPod: {
      const auto* attachment = pod(ip);
      return Path{Path::Kind::kPort, attachment->port, attachment->mac, {}};
    }
    case Place::kSelf:
      return Path{Path::Kind::kPort, model::PortId::host(), intent_->node0_mac, {}};
    case Place::kNode:
    case Place::kRemotePod:
      return Path{Path::Kind::kTunnel, {}, {}, other_node(ip)->address};
    case Place::kOutside:
      return wire_to(ip);
    case Place::kNoPod:
      break;
  }
  return Path{};
}

const model::NextHop* Topology::next_hop(const Path& path) const {
  if (path.kind != Path::Kind::kTunnel && path.kind != Path::Kind::kWire) return nullptr;
  const auto hop = hops_.find(path.outer);
  return hop == hops_.end() || !hop->second->resolved ? nullptr : hop->second;
}

bool Topology::ready(const Path& path) const {
  return path.kind == Path::Kind::kPort || next_hop(path) != nullptr;
}

}  // namespace sluice::slowpath
