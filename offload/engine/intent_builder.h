// SPDX-License-Identifier: Apache-2.0
// Puts an Intent together from its sources. Pure: the same parts in any order give an equal Intent.
#pragma once

#include <vector>

#include "offload/model/intent.h"

namespace sluice::engine {

// What does not change while the engine runs.
struct NodeSettings {
  std::string node;
  Ipv4 gateway_ip;
  MacAddr gateway_mac;
  MacAddr node0_mac;
  MacAddr uplink_mac;
  std::uint16_t uplink_mtu = 1500;
  std::uint32_t vni = 0;
  std::uint16_t vxlan_port = 4789;  // RFC 7348
  model::PortRange masquerade;
};

struct IntentParts {
  std::vector<model::Node> nodes;
  std::vector<model::Service> services;
  std::vector<model::Attachment> attachments;
  std::vector<model::NextHop> next_hops;
  std::vector<model::OuterRoute> outer_routes;
};

// Errors: this node is not among `nodes`; the message names both.
Result<model::IntentPtr> build_intent(const NodeSettings& settings, IntentParts parts);

}  // namespace sluice::engine
