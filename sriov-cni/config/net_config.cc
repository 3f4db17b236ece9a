// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/config/net_config.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "common/base/nearest_name.h"
#include "sriov-cni/config/cni_error.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::string_view, 17> kKeys = {
    "args",       "capabilities", "cniVersion",         "deviceID", "devicePlugin", "disableCheck",
    "disableGC",  "engineSocket", "devicePluginSocket", "mtu",      "name",         "pciBusID",
    "prevResult", "resourceName", "runtimeConfig",      "stateDir", "type"};
constexpr std::size_t kMaxResource = 317;  // a DNS subdomain, '/', a label
constexpr std::size_t kMaxUnixPath = 107;
constexpr std::size_t kMaxStatePath = 1024;
constexpr std::uint32_t kMinMtu = 576, kMaxMtu = 65535;

Status check_keys(const Json& json) {
  for (const auto& [key, value] : json.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end()) continue;
    if (key.find('.') != std::string::npos || key.find('/') != std::string::npos) continue;
    if (key == "ipam" && value.is_object() && value.empty()) continue;
    const auto shown = key.substr(0, 64);
    std::string message = "configuration: key '" + shown + "' is unknown";
    if (key == "ipam") {
      message += "; addresses come from the node's own block, leave it out";
    } else if (const auto meant = nearest_name(shown, kKeys)) {
      message += ", did you mean '" + std::string(*meant) + "'?";
    } else {
      message += "; keys of others have a '.' or a '/'";
    }
    return cni_fail(kInvalidConfig, message);
  }
  return {};
}

// The string at `key`, or nothing. `fallback` stays when the key is missing.
Status read_string(const Json& json, const char* key, std::string& into) {
  const auto found = json.find(key);
  if (found == json.end()) return {};
  if (!found->is_string()) {
    return cni_fail(kInvalidConfig, std::string(key) + " must be a string");
  }
  into = found->get<std::string>();
  return {};
}

Status read_path(const Json& json, const char* key, std::size_t limit, std::string& into) {
  SLUICE_CHECK_OK(read_string(json, key, into));
  if (!into.empty() && into.front() == '/' && into.size() <= limit &&
      into.find('\0') == std::string::npos) {
    return {};
  }
  return cni_fail(kInvalidConfig, std::string(key) + " is '" + into.substr(0, 120) +
                                      "'; allowed is an absolute path of up to " +
                                      std::to_string(limit) + " characters");
}

Status read_version(const Json& json, NetConfig& out) {
  out.cni_version = "0.1.0";  // what the specification makes of a missing one
  SLUICE_CHECK_OK(read_string(json, "cniVersion", out.cni_version));
  const auto& supported = supported_versions();
  if (std::find(supported.begin(), supported.end(), out.cni_version) != supported.end()) return {};
  std::string list;
  for (const auto version : supported) list.append(list.empty() ? "" : ", ").append(version);
  return cni_fail(kIncompatibleVersion,
                  "cniVersion is '" + out.cni_version.substr(0, 40) + "'; supported are " + list);
}

Status read_name(const Json& json, NetConfig& out) {
  SLUICE_CHECK_OK(read_string(json, "name", out.name));
  const auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const bool good = !out.name.empty() && out.name.size() <= 256 && alnum(out.name.front()) &&
                    std::all_of(out.name.begin(), out.name.end(), [&](char c) {
                      return alnum(c) || c == '_' || c == '.' || c == '-';
                    });
  if (good) return {};
  return cni_fail(kInvalidConfig, "name is '" + out.name.substr(0, 80) +
                                      "'; needed are 1 to 256 letters, digits, '_', '.', '-', "
                                      "beginning with a letter or digit");
}

// Capabilities must be acted on or refused; the device is the only one that means something here.
Status check_runtime_config(const Json& json) {
  if (!json.is_object()) return cni_fail(kInvalidConfig, "runtimeConfig must be an object");
  for (const auto& [key, value] : json.items()) {
    if (key == "deviceID" || key == "CNIDeviceInfoFile" || key.find('.') != std::string::npos ||
        key.find('/') != std::string::npos) {
      continue;
    }
    return cni_fail(kInvalidConfig,
                    "runtimeConfig." + key.substr(0, 64) + " is unsupported; allowed is deviceID");
  }
  return {};
}

// Meta-plugins write the same device in up to three places.
Status read_device(const Json& json, NetConfig& out) {
  std::array<std::pair<const char*, std::string>, 3> places = {
      {{"deviceID", ""}, {"pciBusID", ""}, {"runtimeConfig.deviceID", ""}}};
  SLUICE_CHECK_OK(read_string(json, "deviceID", places[0].second));
  SLUICE_CHECK_OK(read_string(json, "pciBusID", places[1].second));
  if (const auto runtime = json.find("runtimeConfig"); runtime != json.end()) {
    SLUICE_CHECK_OK(check_runtime_config(*runtime));
    SLUICE_CHECK_OK(read_string(*runtime, "deviceID", places[2].second));
  }
  for (const auto& [place, text] : places) {
    if (text.empty()) continue;
    const auto address = nic::PciAddress::parse(text);
    if (!address) {
      return cni_fail(kInvalidConfig, std::string(place) + " is '" + text.substr(0, 40) +
                                          "'; allowed is a VF's PCI address such as 0000:3b:00.2");
    }
    if (out.device && *out.device != *address) {
      return cni_fail(kInvalidConfig, std::string(place) + " is " + address->to_string() +
                                          " but the device is given as " + out.device->to_string() +
                                          " too");
    }
    out.device = *address;
  }
  return {};
}

Status read_plugin(const Json& json, NetConfig& out) {
  SLUICE_CHECK_OK(read_path(json, "devicePluginSocket", kMaxUnixPath, out.device_plugin_socket));
  std::string ask = "optional";
  SLUICE_CHECK_OK(read_string(json, "devicePlugin", ask));
  if (ask == "optional") {
    out.ask_plugin = AskPlugin::kOptional;
  } else if (ask == "required") {
    out.ask_plugin = AskPlugin::kRequired;
  } else if (ask == "never") {
    out.ask_plugin = AskPlugin::kNever;
  } else {
    return cni_fail(kInvalidConfig, "devicePlugin is '" + ask.substr(0, 40) +
                                        "'; allowed are optional, required, never");
  }
  SLUICE_CHECK_OK(read_string(json, "resourceName", out.resource));
  const auto slash = out.resource.find('/');
  const bool good = slash != 0 && slash != std::string::npos && slash + 1 < out.resource.size() &&
                    out.resource.find('/', slash + 1) == std::string::npos &&
                    out.resource.size() <= kMaxResource;
  if (good || out.resource.empty()) return {};
  return cni_fail(kInvalidConfig, "resourceName is '" + out.resource.substr(0, 120) +
                                      "'; allowed is a resource such as sluice.dev/vf");
}

Status read_mtu(const Json& json, NetConfig& out) {
  const auto found = json.find("mtu");
  if (found == json.end()) return {};
  if (found->is_number_unsigned()) {
    const auto value = found->get<std::uint64_t>();
    if (value == 0) return {};  // "unset" in the files of other plugins
    if (value >= kMinMtu && value <= kMaxMtu) {
      out.mtu = static_cast<std::uint32_t>(value);
      return {};
    }
  }
  return cni_fail(kInvalidConfig, "mtu is " + found->dump().substr(0, 40) +
                                      "; allowed are 576 to 65535, or 0 for the node's pod MTU");
}

Status check_chain(const Json& json) {
  const auto previous = json.find("prevResult");
  if (previous == json.end() || previous->is_null()) return {};
  return cni_fail(kInvalidConfig,
                  "prevResult is set; this plugin makes the pod's interface and must be the first "
                  "of its list");
}

}  // namespace

const std::vector<std::string_view>& supported_versions() {
  static const std::vector<std::string_view> kVersions = {"0.3.1", "0.4.0", "1.0.0", "1.1.0"};
  return kVersions;
}

Result<NetConfig> parse_config(std::string_view text, Verb verb) {
  if (text.size() > kMaxConfigBytes) {
    return cni_fail(kDecodeFailure, "the configuration on stdin is larger than 4 MiB");
  }
  const auto json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    return cni_fail(kDecodeFailure, "the configuration on stdin is no JSON object");
  }
  NetConfig out;
  SLUICE_CHECK_OK(read_version(json, out));
  SLUICE_CHECK_OK(read_name(json, out));
  SLUICE_CHECK_OK(read_path(json, "engineSocket", kMaxUnixPath, out.engine_socket));
  SLUICE_CHECK_OK(read_path(json, "stateDir", kMaxStatePath, out.state_dir));
  if (verb != Verb::kAdd) return out;
  SLUICE_CHECK_OK(check_keys(json));
  SLUICE_CHECK_OK(check_chain(json));
  SLUICE_CHECK_OK(read_device(json, out));
  SLUICE_CHECK_OK(read_plugin(json, out));
  SLUICE_CHECK_OK(read_mtu(json, out));
  return out;
}

std::string version_for_errors(std::string_view text) {
  const auto json = Json::parse(text.substr(0, kMaxConfigBytes), nullptr, false);
  if (json.is_object() && json.contains("cniVersion") && json["cniVersion"].is_string()) {
    const auto version = json["cniVersion"].get<std::string>();
    const auto& supported = supported_versions();
    if (std::find(supported.begin(), supported.end(), version) != supported.end()) return version;
  }
  return std::string(supported_versions().back());
}

}  // namespace sluice::cni
