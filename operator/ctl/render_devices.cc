// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "common/api/devices.pb.h"
#include "operator/ctl/render.h"
#include "operator/ctl/table.h"

namespace sluice::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string holder_of(const api::Device& device) {
  if (device.holder().empty()) return "-";
  return device.front().empty() ? device.holder() : device.holder() + " (" + device.front() + ")";
}

Json device_json(const api::Device& device) {
  Json out{{"id", device.id()},         {"state", device.state()},  {"reason", device.reason()},
           {"holder", device.holder()}, {"front", device.front()},  {"numa_node", nullptr},
           {"pf", device.pf()},         {"driver", device.driver()}};
  if (device.has_numa_node()) out["numa_node"] = device.numa_node();
  return out;
}

}  // namespace

std::string devices_text(const api::DeviceList& list) {
  Table pools({"RESOURCE", "TYPE", "POLICY", "OFFER", "STATE", "FREE", "DEVICES", "REASON"});
  Table devices({"RESOURCE", "DEVICE", "STATE", "HOLDER", "PF", "DRIVER", "NUMA", "REASON"});
  for (const auto& pool : list.pools()) {
    std::size_t free = 0;
    for (const auto& device : pool.devices()) {
      if (device.state() == "free") ++free;
      devices.add({pool.resource(), device.id(), device.state(), holder_of(device),
                   or_dash(device.pf()), or_dash(device.driver()),
                   device.has_numa_node() ? std::to_string(device.numa_node()) : "-",
                   device.reason()});
    }
    pools.add({pool.resource(), or_dash(pool.type()), or_dash(pool.policy()), or_dash(pool.offer()),
               pool.state(), std::to_string(free), std::to_string(pool.devices_size()),
               pool.reason()});
  }
  std::string text = pools.to_string();
  if (!devices.empty()) text += "\n" + devices.to_string();
  if (list.notes_size() == 0) return text;
  Table notes({"NOTE", ""});
  for (const auto& note : list.notes()) notes.add({note.name(), note.value()});
  return text + "\n" + notes.to_string();
}

std::string devices_json(const api::DeviceList& list) {
  Json json{{"pools", Json::array()}, {"notes", Json::array()}};
  for (const auto& pool : list.pools()) {
    Json devices = Json::array();
    for (const auto& device : pool.devices()) devices.push_back(device_json(device));
    json["pools"].push_back({{"resource", pool.resource()},
                             {"type", pool.type()},
                             {"policy", pool.policy()},
                             {"offer", pool.offer()},
                             {"state", pool.state()},
                             {"reason", pool.reason()},
                             {"devices", std::move(devices)}});
  }
  for (const auto& note : list.notes()) {
    json["notes"].push_back({{"name", note.name()}, {"value", note.value()}});
  }
  // What a plugin says may be no UTF-8; that must not end the program.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sluice::ctl
