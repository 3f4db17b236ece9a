// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/host_ports.h"

#include <algorithm>

namespace sluice::engine {
namespace {

constexpr Ipv4 kLoopback{0x7f000001};

// NodePorts answer at the node's own address and, for the node itself, at 127.0.0.1.
bool collides(const model::HostPort& host_port, const model::ServicePort& port,
              const model::Node& self) {
  return port.node_port == host_port.port && port.proto == host_port.proto &&
         (host_port.covers(self.address) || host_port.covers(kLoopback));
}

std::string name_of(const model::Service& service, const model::ServicePort& port) {
  return "service " + service.name + ":" + std::to_string(port.port);
}

Status check_alone(const model::HostPort& port, const model::Node& self,
                   const NodeSettings& settings) {
  const auto bad = [&port](const std::string& rule) {
    return fail(Code::kInvalid, "host port " + port.to_string() + ": " + rule);
  };
  const bool own =
      port.covers(self.address) || port.address == self.node0() || port.address == kLoopback;
  if (!own) {
    return bad("host_ip must be one of " + self.address.to_string() + ", " +
               self.node0().to_string() + ", " + kLoopback.to_string() + ", or empty for all");
  }
  if (settings.masquerade.contains(port.port)) {
    return bad("lies in the engine's masquerade block " +
               std::to_string(settings.masquerade.first) + "-" +
               std::to_string(settings.masquerade.last));
  }
  if (port.proto == model::Proto::kUdp && port.port == settings.vxlan_port) {
    return bad("is the overlay's own port");
  }
  return {};
}

Status check_against(const model::HostPort& port, const model::Attachment& other) {
  for (const auto& taken : other.host_ports) {
    if (!port.collides(taken)) continue;
    return fail(Code::kExists, "host port " + port.to_string() + " belongs to " + other.pod + " (" +
                                   other.id + "), which has " + taken.to_string());
  }
  return {};
}

Status check_against(const model::HostPort& host_port, const model::Service& service,
                     const model::Node& self) {
  for (const auto& port : service.ports) {
    if (!collides(host_port, port, self)) continue;
    return fail(Code::kExists, "host port " + host_port.to_string() + " is the NodePort of " +
                                   name_of(service, port));
  }
  return {};
}

}  // namespace

Status check_host_ports(const model::Attachment& attachment, const model::Node& self,
                        const NodeSettings& settings, const Holders& holders) {
  const auto& ports = attachment.host_ports;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    SLUICE_CHECK_OK(check_alone(ports[i], self, settings));
    for (std::size_t j = 0; j < i; ++j) {
      if (!ports[i].collides(ports[j])) continue;
      return fail(Code::kInvalid, "host port " + ports[i].to_string() + " collides with " +
                                      ports[j].to_string() + " of the same pod");
    }
    for (const auto& other : holders.attachments) {
      if (other.id != attachment.id) SLUICE_CHECK_OK(check_against(ports[i], other));
    }
    for (const auto& service : holders.services) {
      SLUICE_CHECK_OK(check_against(ports[i], service, self));
    }
  }
  return {};
}

std::vector<std::string> node_ports_taken(const model::Node& self, const Holders& holders) {
  std::vector<std::string> taken;
  for (const auto& attachment : holders.attachments) {
    for (const auto& host_port : attachment.host_ports) {
      for (const auto& service : holders.services) {
        for (const auto& port : service.ports) {
          if (!collides(host_port, port, self)) continue;
          taken.push_back("the NodePort of " + name_of(service, port) + " is host port " +
                          host_port.to_string() + " of " + attachment.pod + " (" + attachment.id +
                          ")");
        }
      }
    }
  }
  return taken;
}

}  // namespace sluice::engine
