// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "device-plugin/cdi/names.h"
#include "device-plugin/cdi/spec_store.h"

namespace sluice::cdi {
namespace {

using nlohmann::json;

// The first version that implementations accept, and the one that has a device node's hostPath and
// device names that begin with a digit.
constexpr const char* kOldest = "0.3.0";
constexpr const char* kWithHostPath = "0.5.0";

json node_json(const allocate::DeviceNode& node) {
  json out = {{"path", node.container_path}, {"permissions", node.permissions}};
  if (node.host_path != node.container_path) out["hostPath"] = node.host_path;
  return out;
}

json mount_json(const allocate::Mount& mount) {
  return {{"hostPath", mount.host_path},
          {"containerPath", mount.container_path},
          {"options", {mount.read_only ? "ro" : "rw", "nosuid", "nodev", "bind"}}};
}

// An implementation refuses a whole file for one device that changes nothing about a container.
std::string own_variable(const std::string& name) {
  std::string out = "SLUICE_DEVICE_";
  for (const char c : name) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool other = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += lower ? static_cast<char>(c - 'a' + 'A') : (other ? c : '_');
  }
  return out + "=" + name;
}

json device_json(const SpecDevice& device, const std::string& name) {
  json edits = json::object();
  for (const auto& node : device.nodes) edits["deviceNodes"].push_back(node_json(node));
  for (const auto& mount : device.mounts) edits["mounts"].push_back(mount_json(mount));
  for (const auto& [key, value] : device.envs) edits["env"].push_back(key + "=" + value);
  if (edits.empty()) edits["env"] = {own_variable(name)};
  return {{"name", name}, {"containerEdits", std::move(edits)}};
}

bool needs_host_path(const SpecDevice& device) {
  for (const auto& node : device.nodes) {
    if (node.host_path != node.container_path) return true;
  }
  return false;
}

bool begins_with_digit(const std::string& name) {
  return name.front() >= '0' && name.front() <= '9';
}

}  // namespace

std::string kind_of(const std::string& resource) {
  const auto slash = resource.find('/');
  const bool has_vendor = slash != std::string::npos;
  const std::string vendor = has_vendor ? resource.substr(0, slash) : "";
  const std::string rest = has_vendor ? resource.substr(slash + 1) : resource;
  return vendor_name(vendor) + "/" + class_name(rest);
}

std::string qualified(const std::string& kind, const std::string& device) {
  return kind + "=" + device_name(device);
}

std::string render(const Spec& spec) {
  auto devices = json::array();
  bool newer = false;
  for (const auto& device : spec.devices) {
    const std::string name = device_name(device.name);
    newer = newer || needs_host_path(device) || begins_with_digit(name);
    devices.push_back(device_json(device, name));
  }
  const json out = {{"cdiVersion", newer ? kWithHostPath : kOldest},
                    {"kind", spec.kind},
                    {"devices", std::move(devices)}};
  return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace sluice::cdi
