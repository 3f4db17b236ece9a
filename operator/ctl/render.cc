// SPDX-License-Identifier: Apache-2.0
#include "operator/ctl/render.h"

#include <map>

#include <nlohmann/json.hpp>

#include "common/api/offload.pb.h"
#include "operator/ctl/table.h"

namespace sluice::ctl {
namespace {

using Json = nlohmann::ordered_json;

// Pod names and the like come from outside; bytes that are no UTF-8 must not end the program.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string count(std::uint64_t value) { return std::to_string(value); }

}  // namespace

std::string status_text(const api::EngineStatus& s) {
  std::string text;
  const auto line = [&text](const std::string& name, const std::string& value) {
    text += name + std::string(name.size() < 14 ? 14 - name.size() : 1, ' ') + value + "\n";
  };
  line("node", s.node());
  line("version", s.version() + " (" + s.dpdk() + ", up " + count(s.uptime_seconds()) + " s)");
  line("backend", s.backend() + " on " + s.device() + ", " + count(s.vfs()) + " VFs");
  line("why", s.backend_reason());
  line("manifest",
       s.manifest() + (s.manifest_error().empty() ? "" : "  NOT TAKEN: " + s.manifest_error()));
  line("cluster", count(s.nodes()) + " nodes, " + count(s.services()) + " services, " +
                      count(s.attachments()) + " attachments here");
  line("rules", count(s.rules()) + " in the NIC, " + count(s.refused()) + " refused");
  line("connections", count(s.connections()) + ", " + count(s.promoted()) + " of them in the NIC");
  line("slow path", count(s.slow_packets()) + " packets");
  for (const auto& [name, value] :
       std::map<std::string, std::uint64_t>(s.slow_counters().begin(), s.slow_counters().end())) {
    if (value != 0) line("", name + " " + count(value));
  }
  return text;
}

std::string status_json(const api::EngineStatus& s) {
  Json json{{"version", s.version()},
            {"node", s.node()},
            {"backend", s.backend()},
            {"backend_reason", s.backend_reason()},
            {"device", s.device()},
            {"vfs", s.vfs()},
            {"rules", s.rules()},
            {"refused", s.refused()},
            {"connections", s.connections()},
            {"promoted", s.promoted()},
            {"manifest", s.manifest()},
            {"manifest_error", s.manifest_error()},
            {"nodes", s.nodes()},
            {"services", s.services()},
            {"attachments", s.attachments()},
            {"slow_packets", s.slow_packets()},
            {"slow_counters", Json::object()},
            {"uptime_seconds", s.uptime_seconds()},
            {"dpdk", s.dpdk()}};
  for (const auto& [name, value] : s.slow_counters()) json["slow_counters"][name] = value;
  return dump(json);
}

std::string flows_text(const api::FlowList& list, bool connections_only) {
  std::string text;
  if (!connections_only) {
    Table rules({"STAGE", "PRIO", "MATCH", "ACTIONS", "PACKETS", "TIER", "OWNER", "WHY"});
    for (const auto& f : list.flows()) {
      rules.add({f.stage(), std::to_string(f.priority()), f.match(), f.actions(),
                 count(f.packets()), f.tier() + (f.reason().empty() ? "" : " (" + f.reason() + ")"),
                 f.owner(), f.why()});
    }
    text += rules.to_string() + "\n";
  }
  Table connections({"ID", "PROTO", "CLIENT -> ADDRESSED", "CLIENT -> ENDPOINT", "SERVICE", "STATE",
                     "IN NIC", "NIC PKTS >", "NIC PKTS <", "SLOW >", "SLOW <"});
  for (const auto& c : list.connections()) {
    connections.add({count(c.id()), c.proto(), c.original(), c.translated(),
                     c.service().empty() ? "-" : c.service(), c.state(),
                     c.promoted()          ? "yes"
                     : c.refusal().empty() ? "no"
                                           : "no: " + c.refusal(),
                     count(c.hardware_packets_forward()), count(c.hardware_packets_reply()),
                     count(c.slow_packets_forward()), count(c.slow_packets_reply())});
  }
  return text + connections.to_string();
}

std::string flows_json(const api::FlowList& list) {
  Json json{{"flows", Json::array()}, {"connections", Json::array()}};
  for (const auto& f : list.flows()) {
    json["flows"].push_back({{"stage", f.stage()},
                             {"priority", f.priority()},
                             {"match", f.match()},
                             {"actions", f.actions()},
                             {"owner", f.owner()},
                             {"why", f.why()},
                             {"tier", f.tier()},
                             {"reason", f.reason()},
                             {"packets", f.packets()},
                             {"bytes", f.bytes()}});
  }
  for (const auto& c : list.connections()) {
    json["connections"].push_back({{"id", c.id()},
                                   {"proto", c.proto()},
                                   {"original", c.original()},
                                   {"translated", c.translated()},
                                   {"service", c.service()},
                                   {"state", c.state()},
                                   {"promoted", c.promoted()},
                                   {"refusal", c.refusal()},
                                   {"hardware_packets_forward", c.hardware_packets_forward()},
                                   {"hardware_packets_reply", c.hardware_packets_reply()},
                                   {"slow_packets_forward", c.slow_packets_forward()},
                                   {"slow_packets_reply", c.slow_packets_reply()},
                                   {"hardware_bytes_forward", c.hardware_bytes_forward()},
                                   {"hardware_bytes_reply", c.hardware_bytes_reply()},
                                   {"idle_ms", c.idle_ms()}});
  }
  return dump(json);
}

std::string ports_text(const api::PortList& list) {
  Table table({"PORT", "DEVICE", "STATE", "POD", "RX PKTS", "RX DROPPED", "TX PKTS", "TX DROPPED",
               "TO SLOW PATH", "NOTE"});
  for (const auto& p : list.ports()) {
    table.add({p.name(), p.device(), p.state(), p.pod().empty() ? "-" : p.pod(),
               count(p.rx_packets()), count(p.rx_dropped()), count(p.tx_packets()),
               count(p.tx_dropped()), count(p.slow_packets()), p.note()});
  }
  return table.to_string();
}

std::string ports_json(const api::PortList& list) {
  Json json{{"ports", Json::array()}};
  for (const auto& p : list.ports()) {
    json["ports"].push_back({{"name", p.name()},
                             {"device", p.device()},
                             {"pod", p.pod()},
                             {"state", p.state()},
                             {"rx_packets", p.rx_packets()},
                             {"rx_bytes", p.rx_bytes()},
                             {"rx_dropped", p.rx_dropped()},
                             {"tx_packets", p.tx_packets()},
                             {"tx_bytes", p.tx_bytes()},
                             {"tx_dropped", p.tx_dropped()},
                             {"slow_packets", p.slow_packets()},
                             {"note", p.note()}});
  }
  return dump(json);
}

}  // namespace sluice::ctl
