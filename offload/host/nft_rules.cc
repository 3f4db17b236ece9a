// SPDX-License-Identifier: Apache-2.0
#include "offload/host/nft_rules.h"

#include <algorithm>

namespace sluice::host {
namespace {

constexpr Ipv4 kLoopback{0x7f000001};

std::string quoted(std::string_view name) { return std::string("\"").append(name).append("\""); }

// Deleting what isn't there is an error; adding what is there is none.
std::string replace_table(std::string_view family, std::string_view table,
                          const std::string& body) {
  return drop_table_script(family, table) + "table " + std::string(family) + " " +
         std::string(table) + " {\n" + body + "}\n";
}

std::string node_port_set(const NodePorts& ports) {
  std::string text = "  set nodeports {\n    type inet_proto . inet_service\n";
  if (!ports.empty()) {
    text += "    elements = { ";
    bool first = true;
    for (const auto& [proto, port] : ports) {
      if (!std::exchange(first, false)) text += ", ";
      text += std::string(model::to_string(proto)) + " . " + std::to_string(port);
    }
    text += " }\n";
  }
  return text + "  }\n";
}

std::string host_port_map(const HostPorts& ports) {
  std::string text =
      "  map hostports {\n    type ipv4_addr . inet_proto . inet_service : ipv4_addr . "
      "inet_service\n";
  if (!ports.empty()) {
    text += "    elements = { ";
    bool first = true;
    for (const auto& [from, to] : ports) {
      const auto& [own, proto, port] = from;
      if (!std::exchange(first, false)) text += ", ";
      text += own.to_string() + " . " + std::string(model::to_string(proto)) + " . " +
              std::to_string(port) + " : " + to.first.to_string() + " . " +
              std::to_string(to.second);
    }
    text += " }\n";
  }
  return text + "  }\n";
}

}  // namespace

NodePorts node_ports_of(const model::Intent& intent) {
  NodePorts ports;
  for (const auto& service : intent.services) {
    for (const auto& port : service.ports) {
      const bool claimed = port.proto == model::Proto::kTcp || port.proto == model::Proto::kUdp;
      if (port.node_port != 0 && claimed) ports.emplace(port.proto, port.node_port);
    }
  }
  return ports;
}

NodePorts claimed_ports_of(const model::Intent& intent) {
  NodePorts ports = node_ports_of(intent);
  for (const auto& pod : intent.attachments) {
    for (const auto& port : pod.host_ports) {
      if (port.covers(intent.self_node().address)) ports.emplace(port.proto, port.port);
    }
  }
  return ports;
}

HostPorts host_ports_of(const model::Intent& intent) {
  const model::Node& self = intent.self_node();
  HostPorts ports;
  for (const auto& pod : intent.attachments) {
    for (const auto& port : pod.host_ports) {
      for (const Ipv4 own : {self.address, self.node0(), kLoopback}) {
        if (port.covers(own)) {
          ports.try_emplace({own, port.proto, port.port}, pod.ip, port.pod_port);
        }
      }
    }
  }
  return ports;
}

std::set<std::pair<Ipv4, std::uint16_t>> changed_udp(const HostPorts& before,
                                                     const HostPorts& after) {
  std::set<std::pair<Ipv4, std::uint16_t>> changed;
  const auto add_new = [&changed](const HostPorts& from, const HostPorts& to) {
    for (const auto& entry : to) {
      const auto same = from.find(entry.first);
      if (same != from.end() && same->second == entry.second) continue;
      const auto& [own, proto, port] = entry.first;
      if (proto == model::Proto::kUdp) changed.emplace(own, port);
    }
  };
  add_new(before, after);
  add_new(after, before);
  return changed;
}

std::string claims_script(const Claims& claims) {
  const std::string masquerade =
      std::to_string(claims.masquerade.first) + "-" + std::to_string(claims.masquerade.last);
  std::string body = node_port_set(claims.ports);
  body += "  chain ingress {\n";
  body += "    type filter hook ingress device " + quoted(claims.uplink) +
          " priority 0; policy accept;\n";
  body += "    ip daddr " + claims.pod_cidr.to_string() + " counter drop\n";
  body += "    ip daddr != " + claims.node_address.to_string() + " accept\n";
  // @th,96,24: 12 bytes behind the start of UDP is the VNI of VXLAN (RFC 7348 section 5).
  body += "    udp dport " + std::to_string(claims.vxlan_port) + " @th,96,24 " +
          std::to_string(claims.vni) + " counter drop\n";
  body += "    meta l4proto { tcp, udp } th dport " + masquerade + " counter drop\n";
  body += "    meta l4proto . th dport @nodeports counter drop\n";
  body += "  }\n";
  return replace_table("netdev", kClaimsTable, body);
}

std::string steering_script(const NodeSteering& steering) {
  std::string body = node_port_set(steering.node_ports) + host_port_map(steering.host_ports);
  body += "  chain output {\n";
  body += "    type nat hook output priority -100; policy accept;\n";
  body += "    dnat ip to ip daddr . meta l4proto . th dport map @hostports\n";
  body += "    ip daddr { " + steering.node_address.to_string() +
          ", 127.0.0.1 } meta l4proto . th dport @nodeports counter dnat to " +
          steering.gateway.to_string() + "\n";
  body += "  }\n";
  body += "  chain postrouting {\n";
  body += "    type nat hook postrouting priority 100; policy accept;\n";
  body += "    ip saddr 127.0.0.0/8 oifname " + quoted(steering.node0) + " counter snat to " +
          steering.node0_address.to_string() + "\n";
  body += "  }\n";
  return replace_table("ip", kNodeTable, body);
}

std::string bridge_script(const std::set<std::string>& ports) {
  std::string body = "  set ports {\n    type ifname\n";
  if (!ports.empty()) {
    body += "    elements = { ";
    bool first = true;
    for (const auto& port : ports) {
      if (!std::exchange(first, false)) body += ", ";
      body += quoted(port);
    }
    body += " }\n";
  }
  body += "  }\n  chain input {\n";
  body += "    type filter hook input priority -200; policy accept;\n";
  body += "    iifname @ports counter drop\n  }\n";
  return replace_table("bridge", kBridgeTable, body);
}

std::string add_port_script(std::string_view port) {
  return "add element bridge " + std::string(kBridgeTable) + " ports { " + quoted(port) + " }\n";
}

std::string remove_port_script(std::string_view port) {
  return add_port_script(port) + "delete element bridge " + std::string(kBridgeTable) +
         " ports { " + quoted(port) + " }\n";
}

std::string drop_table_script(std::string_view family, std::string_view table) {
  const std::string name = std::string(family).append(" ").append(table);
  return "add table " + name + "\ndelete table " + name + "\n";
}

Status check_netdev_name(std::string_view field, std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (!name.empty() && name.size() <= 15 && name != "." && name != ".." &&
      std::all_of(name.begin(), name.end(), allowed)) {
    return {};
  }
  return fail(Code::kInvalid, std::string(field) + " \"" + std::string(name.substr(0, 32)) +
                                  "\": allowed are 1 to 15 of A-Z a-z 0-9 . _ -");
}

}  // namespace sluice::host
