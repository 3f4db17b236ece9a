// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <nlohmann/json.hpp>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/config_parts.h"
#include "sriov-cni/config/net_config.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

std::size_t place_of(std::string_view version) {
  const auto& all = supported_versions();
  return static_cast<std::size_t>(std::find(all.begin(), all.end(), version) - all.begin());
}

// The version that a verb came with.
std::string_view since(Verb verb) {
  switch (verb) {
    case Verb::kCheck:
      return "0.4.0";
    case Verb::kGc:
    case Verb::kStatus:
      return "1.1.0";
    case Verb::kAdd:
    case Verb::kDel:
    case Verb::kVersion:
      return "0.1.0";
  }
  return "0.1.0";
}

}  // namespace

const std::vector<std::string_view>& supported_versions() {
  static const std::vector<std::string_view> kVersions = {"0.1.0", "0.2.0", "0.3.0", "0.3.1",
                                                          "0.4.0", "1.0.0", "1.1.0"};
  return kVersions;
}

Result<std::string> read_version(const Json& json, Verb verb) {
  std::string out = "0.1.0";  // what the specification makes of a missing one
  if (const auto found = json.find("cniVersion"); found != json.end() && !found->is_null()) {
    if (!found->is_string()) {
      return cni_fail(kDecodeFailure, "cniVersion is " + shown(*found) + "; allowed is a string");
    }
    if (*found != "") out = found->get<std::string>();
  }
  const auto& supported = supported_versions();
  if (place_of(out) == supported.size()) {
    std::string list;
    for (const auto version : supported) list.append(list.empty() ? "" : ", ").append(version);
    return cni_fail(kIncompatibleVersion,
                    "cniVersion is " + in_quotes(out) + "; supported are " + list);
  }
  if (place_of(out) >= place_of(since(verb))) return out;
  return cni_fail(kIncompatibleVersion, "cniVersion is " + in_quotes(out) + "; " +
                                            std::string(to_string(verb)) + " is allowed from " +
                                            std::string(since(verb)) + " on");
}

std::string version_for_errors(std::string_view text) {
  const auto json = parse_json(text.substr(0, kMaxConfigBytes));
  if (json.is_object() && json.contains("cniVersion") && json["cniVersion"].is_string()) {
    const auto version = json["cniVersion"].get<std::string>();
    if (place_of(version) != supported_versions().size()) return version;
  }
  return std::string(supported_versions().back());
}

}  // namespace sluice::cni
