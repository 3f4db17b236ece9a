// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/claim.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "common/kube/json.h"
#include "device-plugin/dra/front.h"

namespace sluice::dra {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxResults = 256;  // the API allows 32
constexpr std::size_t kMaxName = 253;

std::string cut(const std::string& text) { return text.substr(0, 200); }

bool is_word(const std::string& text, std::string_view more) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.find(c) != std::string_view::npos;
  });
}

const json& child(const json& object, const char* key) {
  static const json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::string text_at(const json& object, const char* key) {
  const json& value = child(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

Status add_result(const json& result, std::vector<Allotted>& out) {
  if (text_at(result, "driver") != kDriver) return {};
  Allotted device;
  device.pool = text_at(result, "pool");
  device.device = text_at(result, "device");
  std::string request = text_at(result, "request");
  if (device.pool.empty() || device.device.empty() || request.empty()) {
    return fail(Code::kInvalid,
                "status.allocation.devices.results: pool, device or request is missing");
  }
  if (const json& admin = child(result, "adminAccess"); admin.is_boolean() && admin.get<bool>()) {
    return fail(Code::kUnsupported,
                "request '" + cut(request) + "' asks for adminAccess, which sluice.dev has not");
  }
  request = request.substr(0, request.find('/'));
  for (auto& known : out) {
    if (known.pool != device.pool || known.device != device.device) continue;
    if (std::find(known.requests.begin(), known.requests.end(), request) == known.requests.end()) {
      known.requests.push_back(request);
    }
    return {};
  }
  device.requests = {request};
  out.push_back(std::move(device));
  return {};
}

// There are no parameters of ours yet: whoever gives some expects something of them.
Status check_config(const json& config) {
  const json& opaque = child(config, "opaque");
  if (text_at(opaque, "driver") != kDriver) return {};
  const json& parameters = child(opaque, "parameters");
  if (!parameters.is_object() || parameters.empty()) return {};
  const std::string kind = text_at(parameters, "kind");
  return fail(Code::kUnsupported,
              "the claim has opaque parameters for sluice.dev" +
                  (kind.empty() ? std::string() : " of kind '" + cut(kind) + "'") +
                  "; this version knows none");
}

}  // namespace

std::string ClaimRef::shown() const { return cut(space) + "/" + cut(name); }

Status check(const ClaimRef& claim) {
  const auto wrong = [](const char* field, const std::string& value, const char* allowed) {
    return fail(Code::kInvalid,
                std::string("claim ") + field + " '" + cut(value) + "': allowed are " + allowed);
  };
  if (claim.uid.size() > 64 || !is_word(claim.uid, "-")) {
    return wrong("uid", claim.uid, "1 to 64 letters, digits and '-'");
  }
  if (claim.space.size() > 63 || !is_word(claim.space, "-")) {
    return wrong("namespace", claim.space, "1 to 63 letters, digits and '-'");
  }
  if (claim.name.size() > kMaxName || !is_word(claim.name, "-.") || claim.name.front() == '.') {
    return wrong("name", claim.name, "1 to 253 letters, digits, '-' and '.'");
  }
  return {};
}

Result<std::vector<Allotted>> parse_claim(std::string_view text, const ClaimRef& claim) {
  const auto root = kube::parse_json(text);
  if (!root.is_object()) return fail(Code::kInvalid, "the claim is no JSON object");
  const std::string uid = text_at(child(root, "metadata"), "uid");
  if (uid != claim.uid) {
    return fail(Code::kPrecondition, "claim " + claim.shown() + " has uid '" + cut(uid) +
                                         "' now, not '" + cut(claim.uid) + "'");
  }
  const json& allocation = child(child(root, "status"), "allocation");
  if (!allocation.is_object()) {
    return fail(Code::kPrecondition, "claim " + claim.shown() + " is not allocated");
  }
  const json& devices = child(allocation, "devices");
  const json& results = child(devices, "results");
  std::vector<Allotted> out;
  if (results.is_array()) {
    if (results.size() > kMaxResults) {
      return fail(Code::kInvalid, "the claim has " + std::to_string(results.size()) +
                                      " results; allowed are " + std::to_string(kMaxResults));
    }
    for (const auto& result : results) SLUICE_CHECK_OK(add_result(result, out));
  }
  if (out.empty()) {
    return fail(Code::kPrecondition, "claim " + claim.shown() + " has no device of sluice.dev");
  }
  if (const json& configs = child(devices, "config"); configs.is_array()) {
    for (const auto& config : configs) SLUICE_CHECK_OK(check_config(config));
  }
  return out;
}

}  // namespace sluice::dra
