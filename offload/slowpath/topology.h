// SPDX-License-Identifier: Apache-2.0
// An Intent, indexed by address: who is where, and how it is reached.
//
// Contract: immutable; keeps its Intent alive, so pointers into it are good for as long.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "offload/model/intent.h"

namespace sluice::slowpath {

// How a packet leaves.
struct Path {
  enum class Kind : std::uint8_t {
    kNowhere,
    kPort,    // a pod or the node itself
    kTunnel,  // VXLAN to the node `outer`
    kWire,    // plain, toward `outer`
  };
  Kind kind = Kind::kNowhere;
  model::PortId port;  // kPort
  MacAddr mac;         // kPort: the receiver's
  Ipv4 outer;
};

enum class Place : std::uint8_t {
  kLocalPod,
  kSelf,       // the node's own address or node0
  kNoPod,      // in this node's block, but nobody has it
  kNode,       // another node's own address
  kRemotePod,  // in another node's block (its node0 too)
  kOutside,
};

class Topology {
 public:
  // Requires: intent->self is one of its nodes.
  explicit Topology(model::IntentPtr intent);

  const model::Intent& intent() const { return *intent_; }
  const model::Node& self() const { return *self_; }
  std::uint16_t pod_mtu() const;

  Place place_of(Ipv4 ip) const;
  const model::Attachment* pod(Ipv4 ip) const;
  // The other node that has this address or pod block.
  const model::Node* other_node(Ipv4 ip) const;
  bool is_self(Ipv4 ip) const { return ip == self_->address || ip == self_->node0(); }

  Path path_to(Ipv4 ip) const;
  static Path wire_to(Ipv4 ip) { return Path{Path::Kind::kWire, {}, {}, ip}; }

  // Nothing while it is unknown or unresolved.
  const model::NextHop* next_hop(const Path& path) const;
  // Whether a packet may leave by it now.
  bool ready(const Path& path) const;

 private:
  model::IntentPtr intent_;
  const model::Node* self_;
  std::unordered_map<Ipv4, const model::Attachment*> pods_;
  std::unordered_map<Ipv4, const model::Node*> node_addresses_;
  // Other nodes' blocks by their first address, one map a prefix length (rarely more than one).
  std::vector<std::pair<Prefix4, std::unordered_map<Ipv4, const model::Node*>>> blocks_;
  std::unordered_map<Ipv4, const model::NextHop*> hops_;
};

}  // namespace sluice::slowpath
