// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/config/result.h"

#include <nlohmann/json.hpp>

#include "sriov-cni/config/net_config.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kScopeLink = 253;  // RT_SCOPE_LINK

Json interface_json(const ResultInterface& interface, bool newest) {
  Json out;
  out["name"] = interface.name;
  if (!interface.mac.is_zero()) out["mac"] = interface.mac.to_string();
  if (newest && interface.mtu != 0) out["mtu"] = interface.mtu;
  if (!interface.sandbox.empty()) out["sandbox"] = interface.sandbox;
  if (newest && !interface.pci.empty()) out["pciID"] = interface.pci;
  return out;
}

}  // namespace

std::string result_json(std::string_view cni_version, const AddResult& result) {
  const bool old = cni_version == "0.3.1" || cni_version == "0.4.0";
  const bool newest = cni_version == "1.1.0";
  Json out;
  out["cniVersion"] = cni_version;
  out["interfaces"] = Json::array();
  for (const auto& interface : result.interfaces) {
    out["interfaces"].push_back(interface_json(interface, newest));
  }
  out["ips"] = Json::array();
  const auto add_ip = [&](std::size_t interface, Ipv4 address) -> Json& {
    Json ip;
    if (old) ip["version"] = "4";
    ip["interface"] = interface;
    ip["address"] = address.to_string() + "/32";
    return out["ips"].emplace_back(std::move(ip));
  };
  add_ip(result.pod_interface, result.address)["gateway"] = result.gateway.to_string();
  for (const auto& more : result.more) add_ip(more.interface, more.address);
  out["routes"] = Json::array();
  if (newest) {
    // The older shapes can't say that a route has no gateway: leaving gw out means "the usual one".
    out["routes"].push_back({{"dst", result.gateway.to_string() + "/32"}, {"scope", kScopeLink}});
  }
  out["routes"].push_back({{"dst", "0.0.0.0/0"}, {"gw", result.gateway.to_string()}});
  if (old) out["dns"] = Json::object();
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string version_json() {
  Json out;
  out["cniVersion"] = supported_versions().back();
  out["supportedVersions"] = supported_versions();
  return out.dump();
}

}  // namespace sluice::cni
