// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/checkpoint.h"

#include <exception>

#include <nlohmann/json.hpp>

#include "common/base/hash.h"
#include "common/kube/json.h"

namespace sluice::dra {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json to_json(const PreparedClaim& claim) {
  json devices = json::array();
  for (const auto& device : claim.devices) {
    json nodes = json::array();
    for (const auto& node : device.nodes) {
      nodes.push_back({{"container", node.container_path},
                       {"host", node.host_path},
                       {"permissions", node.permissions}});
    }
    devices.push_back({{"pool", device.allotted.pool},
                       {"device", device.allotted.device},
                       {"requests", device.allotted.requests},
                       {"id", device.id},
                       {"nodes", std::move(nodes)},
                       {"info", device.info}});
  }
  return {{"namespace", claim.claim.space},
          {"name", claim.claim.name},
          {"uid", claim.claim.uid},
          {"devices", std::move(devices)}};
}

PreparedClaim claim_from(const json& value) {
  PreparedClaim out;
  value.at("namespace").get_to(out.claim.space);
  value.at("name").get_to(out.claim.name);
  value.at("uid").get_to(out.claim.uid);
  for (const auto& item : value.at("devices")) {
    PreparedDevice device;
    item.at("pool").get_to(device.allotted.pool);
    item.at("device").get_to(device.allotted.device);
    item.at("requests").get_to(device.allotted.requests);
    item.at("id").get_to(device.id);
    item.at("info").get_to(device.info);
    for (const auto& node : item.at("nodes")) {
      device.nodes.push_back({node.at("container").get<std::string>(),
                              node.at("host").get<std::string>(),
                              node.at("permissions").get<std::string>()});
    }
    out.devices.push_back(std::move(device));
  }
  return out;
}

}  // namespace

std::string render(const PreparedClaims& claims) {
  json list = json::array();
  for (const auto& [uid, claim] : claims) list.push_back(to_json(claim));
  const std::string checksum = std::to_string(hash_bytes(dump(list)));
  return dump({{"version", kVersion}, {"checksum", checksum}, {"claims", std::move(list)}});
}

Result<PreparedClaims> parse_checkpoint(std::string_view text) {
  const auto root = kube::parse_json(text);
  if (!root.is_object()) return fail(Code::kInvalid, "no JSON object");
  try {
    if (const json& version = root.at("version"); version != kVersion) {
      return fail(Code::kUnsupported, "version " + dump(version).substr(0, 20) + "; known is " +
                                          std::to_string(kVersion));
    }
    const json& list = root.at("claims");
    if (root.at("checksum") != std::to_string(hash_bytes(dump(list)))) {
      return fail(Code::kInvalid, "the checksum doesn't fit the content");
    }
    PreparedClaims out;
    for (const auto& item : list) {
      auto claim = claim_from(item);
      SLUICE_CHECK_OK(check(claim.claim));
      const std::string uid = claim.claim.uid;
      out[uid] = std::move(claim);
    }
    return out;
  } catch (const std::exception& e) {
    return fail(Code::kInvalid, std::string(e.what()).substr(0, 200));
  }
}

}  // namespace sluice::dra
