// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/facts_cache.h"

#include <nlohmann/json.hpp>

#include "common/os/files.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;
constexpr std::size_t kMaxBytes = 65536;

constexpr std::size_t kMaxEngines = 64;  // of one node; far more than anybody has
constexpr std::string_view kPrefix = "node-facts-", kSuffix = ".json";

std::string path_of(const std::string& state_dir, const std::string& socket) {
  return state_dir + "/" + std::string(kPrefix) + id_hash(socket) + std::string(kSuffix);
}

Result<NodeFacts> read_facts(const Json& json) {
  NodeFacts out;
  out.node = json.at("node").get<std::string>();
  SLUICE_TRY(out.pod_block, Prefix4::parse(json.at("podBlock").get<std::string>()));
  SLUICE_TRY(out.gateway, Ipv4::parse(json.at("gateway").get<std::string>()));
  out.pod_mtu = json.at("podMtu").get<std::uint32_t>();
  out.sysfs_root = json.at("sysfsRoot").get<std::string>();
  out.vf_control_socket = json.at("vfControlSocket").get<std::string>();
  out.pending_directory = json.at("pendingDirectory").get<std::string>();
  SLUICE_CHECK_OK(check_facts(out));
  return out;
}

std::optional<KeptFacts> read_cache(const std::string& path) {
  const auto text = os::read_file(path, kMaxBytes);
  if (!text) return std::nullopt;
  const auto json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  try {  // of nlohmann::json: a field that is missing or has another type
    if (json.at("version").get<int>() != kVersion) return std::nullopt;
    auto facts = read_facts(json);
    if (!facts) return std::nullopt;
    return KeptFacts{json.at("engineSocket").get<std::string>(), std::move(*facts)};
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

Status keep_facts(const std::string& state_dir, const std::string& socket, const NodeFacts& facts) {
  const auto path = path_of(state_dir, socket);
  const auto kept = read_cache(path);
  if (kept && kept->socket == socket && kept->facts == facts) return {};
  const Json json = {{"version", kVersion},
                     {"engineSocket", socket},
                     {"node", facts.node},
                     {"podBlock", facts.pod_block.to_string()},
                     {"gateway", facts.gateway.to_string()},
                     {"podMtu", facts.pod_mtu},
                     {"sysfsRoot", facts.sysfs_root},
                     {"vfControlSocket", facts.vf_control_socket},
                     {"pendingDirectory", facts.pending_directory}};
  return os::write_file_atomic(
      path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n", 0600);
}

std::optional<NodeFacts> cached_facts(const std::string& state_dir, const std::string& socket) {
  auto kept = read_cache(path_of(state_dir, socket));
  if (!kept || kept->socket != socket) return std::nullopt;
  return std::move(kept->facts);
}

std::vector<KeptFacts> all_cached_facts(const std::string& state_dir) {
  std::vector<KeptFacts> out;
  const auto root = os::Root::open(state_dir);
  if (!root) return out;
  const auto names = root->list(".");
  if (!names) return out;
  for (const auto& name : *names) {
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    auto kept = read_cache(state_dir + "/" + name);
    if (kept && path_of(state_dir, kept->socket) == state_dir + "/" + name) {
      out.push_back(std::move(*kept));
    }
    if (out.size() == kMaxEngines) break;
  }
  return out;
}

}  // namespace sluice::cni
