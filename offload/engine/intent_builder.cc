// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/intent_builder.h"

#include <algorithm>

namespace sluice::engine {

Result<model::IntentPtr> build_intent(const NodeSettings& settings, IntentParts parts) {
  auto intent = std::make_shared<model::Intent>();
  intent->self = settings.node;
  intent->gateway_ip = settings.gateway_ip;
  intent->gateway_mac = settings.gateway_mac;
  intent->node0_mac = settings.node0_mac;
  intent->uplink_mac = settings.uplink_mac;
  intent->uplink_mtu = settings.uplink_mtu;
  intent->vni = settings.vni;
  intent->vxlan_port = settings.vxlan_port;
  intent->masquerade = settings.masquerade;
  intent->nodes = std::move(parts.nodes);
  intent->services = std::move(parts.services);
  intent->attachments = std::move(parts.attachments);
  intent->next_hops = std::move(parts.next_hops);
  intent->outer_routes = std::move(parts.outer_routes);

  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(intent->nodes.begin(), intent->nodes.end(), by_name);
  std::sort(intent->services.begin(), intent->services.end(), by_name);
  std::sort(intent->attachments.begin(), intent->attachments.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  std::sort(intent->next_hops.begin(), intent->next_hops.end(),
            [](const auto& a, const auto& b) { return a.ip < b.ip; });
  std::sort(intent->outer_routes.begin(), intent->outer_routes.end(),
            [](const auto& a, const auto& b) { return a.destination < b.destination; });

  if (intent->find_node(settings.node) == nullptr) {
    std::string known;
    for (const auto& node : intent->nodes) known += (known.empty() ? "" : ", ") + node.name;
    return fail(Code::kNotFound, "this node, '" + settings.node +
                                     "', is not in the manifest; it has " +
                                     (known.empty() ? "no node" : known));
  }
  return model::IntentPtr(std::move(intent));
}

}  // namespace sluice::engine
