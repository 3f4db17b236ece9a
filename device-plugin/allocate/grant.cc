// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/allocate/grant.h"

#include <set>

#include <nlohmann/json.hpp>

namespace sluice::allocate {
namespace {

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// Upper case, '.' becomes '_', everything else stays, as the peer does it.
std::string peer_name(const config::PoolConfig& pool) {
  std::string out;
  for (const char c : "PCIDEVICE_" + pool.prefix + "_" + pool.name) {
    out += c == '.' ? '_' : upper(c);
  }
  return out;
}

std::string shell_name(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const char big = upper(c);
    out += (big >= 'A' && big <= 'Z') || (big >= '0' && big <= '9') ? big : '_';
  }
  return out;
}

std::string join_ids(const std::vector<Access>& devices) {
  std::string out;
  for (const auto& device : devices) out += (out.empty() ? "" : ",") + device.id;
  return out;
}

std::string info_json(const std::vector<Access>& devices) {
  auto all = nlohmann::json::object();  // sorts its keys
  for (const auto& device : devices) all[device.id] = device.info;
  // What isn't UTF-8 (additionalInfo of a hostile file) is replaced, not thrown about.
  return all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string pool_variable(std::string_view pool) { return "SLUICE_VF_" + shell_name(pool); }

Grant grant(const config::PoolConfig& pool, const std::vector<Access>& devices,
            const std::optional<std::string>& cdi_kind) {
  Grant out;
  const std::string ids = join_ids(devices);
  const std::string info = info_json(devices);
  const std::string name = peer_name(pool);
  for (const auto& variable : {name, shell_name(name)}) {
    out.envs[variable] = ids;
    out.envs[variable + "_INFO"] = info;
  }
  out.envs[pool_variable(pool.name)] = ids;
  if (cdi_kind) {
    for (const auto& device : devices) out.cdi_devices.push_back(*cdi_kind + "=" + device.id);
    return out;
  }
  std::set<std::string> given;
  for (const auto& device : devices) {
    for (const auto& node : device.nodes) {
      if (given.insert(node.host_path).second) out.nodes.push_back(node);
    }
  }
  return out;
}

}  // namespace sluice::allocate
