// SPDX-License-Identifier: Apache-2.0
#include "tests/support/standin_kubelet/control_ops.h"

#include <functional>
#include <map>

#include <nlohmann/json.hpp>

namespace sluice::standin {
namespace {

using Json = nlohmann::ordered_json;

Json error_json(const Error& error) { return {{"error", error.message}}; }

Json resources_json(Kubelet& kubelet, const Json&) {
  Json out;
  out["resources"] = Json::object();
  for (const auto& [name, resource] : kubelet.devices().resources()) {
    Json devices = Json::array();
    for (const auto& device : resource.devices) {
      Json entry = {{"id", device.id}, {"healthy", device.healthy}, {"pod", device.pod}};
      if (device.numa_node >= 0) entry["numa"] = device.numa_node;
      devices.push_back(std::move(entry));
    }
    out["resources"][name] = {{"devices", devices}, {"registrations", resource.registrations}};
  }
  return out;
}

Json history_json(Kubelet& kubelet, const Json&) {
  Json out;
  out["history"] = Json::object();
  for (const auto& [name, entries] : kubelet.devices().history()) {
    Json list = Json::array();
    for (const auto& entry : entries) {
      list.push_back(
          {{"event", entry.event}, {"devices", entry.devices}, {"healthy", entry.healthy}});
    }
    out["history"][name] = std::move(list);
  }
  return out;
}

Json allocation_json(const Allocation& allocation) {
  Json nodes = Json::array(), mounts = Json::array();
  for (const auto& node : allocation.nodes) {
    nodes.push_back({{"container", node.container_path},
                     {"host", node.host_path},
                     {"permissions", node.permissions}});
  }
  for (const auto& mount : allocation.mounts) {
    mounts.push_back({{"container", mount.container_path},
                      {"host", mount.host_path},
                      {"read_only", mount.read_only}});
  }
  return {{"devices", allocation.devices},
          {"envs", allocation.envs},
          {"nodes", nodes},
          {"mounts", mounts},
          {"cdi", allocation.cdi}};
}

Json allocate_json(Kubelet& kubelet, const Json& request) {
  AllocationRequest wish;
  wish.pod = request.at("pod").get<std::string>();
  wish.resource = request.at("resource").get<std::string>();
  wish.ids = request.value("ids", std::vector<std::string>{});
  // Several containers of one pod: each has an Allocate of its own, as in the kubelet.
  std::map<std::string, std::int64_t> containers;
  const bool several = request.contains("containers");
  if (several) {
    containers = request["containers"].get<std::map<std::string, std::int64_t>>();
  } else {
    containers["app"] = request.value("count", std::int64_t{1});
  }
  Json out = Json::object();
  for (const auto& [container, count] : containers) {
    if (count < 1 || count > 1024) return {{"error", "count must be 1 to 1024"}};
    wish.container = container;
    wish.count = static_cast<std::size_t>(count);
    const auto allocation = kubelet.devices().allocate(wish);
    if (!allocation) {
      if (several) kubelet.devices().free(wish.pod);
      return error_json(allocation.error());
    }
    if (!several) return allocation_json(*allocation);
    out["containers"][container] = allocation_json(*allocation);
  }
  return out;
}

Json free_json(Kubelet& kubelet, const Json& request) {
  return {{"freed", kubelet.devices().free(request.at("pod").get<std::string>())}};
}

Json claim_json(Kubelet& kubelet, const Json& request) {
  std::vector<ClaimedDevice> devices;
  for (const auto& device : request.at("devices")) {
    devices.push_back({request.value("claim_namespace", std::string("default")),
                       request.at("claim").get<std::string>(),
                       device.at("driver").get<std::string>(), device.at("pool").get<std::string>(),
                       device.at("device").get<std::string>()});
  }
  const auto count = devices.size();
  kubelet.devices().claim(request.at("pod").get<std::string>(), std::move(devices));
  return {{"claimed", count}};
}

Json started(Kubelet& kubelet) {
  const auto status = kubelet.start();
  if (!status) return error_json(status.error());
  return {{"running", true}};
}

Json stop_json(Kubelet& kubelet, const Json&) {
  kubelet.stop();
  return {{"running", false}};
}

Json start_json(Kubelet& kubelet, const Json&) { return started(kubelet); }

Json restart_json(Kubelet& kubelet, const Json&) {
  kubelet.stop();
  return started(kubelet);
}

Json manner_json(Kubelet& kubelet, const Json& request) {
  const auto name = request.at("manner").get<std::string>();
  const std::map<std::string, Manner> known = {
      {"accept", Manner::kAccept}, {"refuse", Manner::kRefuse}, {"hang", Manner::kHang}};
  const auto found = known.find(name);
  if (found == known.end()) return {{"error", "manner must be accept, refuse or hang"}};
  kubelet.manners().set(found->second);
  return {{"manner", name}};
}

Json delete_sockets_json(Kubelet& kubelet, const Json&) {
  const auto count = kubelet.delete_sockets();
  if (!count) return error_json(count.error());
  return {{"deleted", *count}};
}

using Op = Json (*)(Kubelet&, const Json&);

const std::map<std::string, Op, std::less<>>& ops() {
  static const std::map<std::string, Op, std::less<>> table = {
      {"resources", resources_json}, {"history", history_json},
      {"allocate", allocate_json},   {"free", free_json},
      {"claim", claim_json},         {"stop", stop_json},
      {"start", start_json},         {"restart", restart_json},
      {"manner", manner_json},       {"delete-sockets", delete_sockets_json}};
  return table;
}

}  // namespace

std::string answer(Kubelet& kubelet, std::string_view line) {
  Json out;
  try {  // of nlohmann::json: no JSON, a missing field, another type
    const auto request = Json::parse(line);
    const auto name = request.at("op").get<std::string>();
    const auto op = ops().find(name);
    if (op != ops().end()) {
      out = op->second(kubelet, request);
    } else {
      std::string allowed;
      for (const auto& entry : ops()) allowed += (allowed.empty() ? "" : ", ") + entry.first;
      out = {{"error", "op '" + name + "' is unknown; allowed are " + allowed}};
    }
  } catch (const Json::exception& error) {
    out = {{"error", error.what()}};
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sluice::standin
