// SPDX-License-Identifier: Apache-2.0
#include "offload/model/intent.h"

#include <algorithm>
#include <cassert>

namespace sluice::model {

std::string_view to_string(Proto proto) {
  switch (proto) {
    case Proto::kIcmp:
      return "icmp";
    case Proto::kTcp:
      return "tcp";
    case Proto::kUdp:
      return "udp";
  }
  return "?";
}

bool HostPort::collides(const HostPort& other) const {
  return proto == other.proto && port == other.port &&
         (covers(other.address) || other.address.is_zero());
}

std::string HostPort::to_string() const {
  return std::string(model::to_string(proto)) + " " +
         (address.is_zero() ? "*" : address.to_string()) + ":" + std::to_string(port);
}

const Node* Intent::find_node(std::string_view name) const {
  // Sorted by name in a published Intent; a linear search also serves one that is being built.
  const auto it =
      std::find_if(nodes.begin(), nodes.end(), [&](const Node& node) { return node.name == name; });
  return it == nodes.end() ? nullptr : &*it;
}

const Node& Intent::self_node() const {
  const Node* node = find_node(self);
  assert(node != nullptr && "Intent::self must be one of Intent::nodes");
  return *node;
}

}  // namespace sluice::model
