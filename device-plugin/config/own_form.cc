// SPDX-License-Identifier: Apache-2.0
// Our own form: the same selectors, and what the peer has no words for. Keys are exact.
#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "common/base/nearest_name.h"
#include "device-plugin/config/forms.h"
#include "device-plugin/config/names.h"
#include "device-plugin/config/ranges.h"
#include "device-plugin/config/selector_reader.h"
#include "device-plugin/config/selector_values.h"
#include "device-plugin/config/text.h"

namespace sluice::config {
namespace {

constexpr const char* kDefaultPrefix = "sluice.dev";
constexpr std::uint32_t kMaxRail = 1023;
constexpr std::size_t kMaxRails = 1024;
constexpr std::uint32_t kMaxPlainPorts = 4096;

constexpr std::array<std::string_view, 5> kTopKeys = {"pools", "resourcePrefix", "rails",
                                                      "hostPorts", "plainPorts"};
constexpr std::array<std::string_view, 10> kPoolKeys = {
    "name",  "prefix", "type",   "selectors",      "topology",
    "offer", "policy", "health", "additionalInfo", "allowReserved"};
constexpr std::array<std::string_view, 4> kHealthKeys = {"enabled", "carrier", "driver", "rdma"};

constexpr std::array kTypes = {DeviceType::kVf, DeviceType::kPf, DeviceType::kSf,
                               DeviceType::kNetwork, DeviceType::kAccelerator};
constexpr std::array kPolicies = {Policy::kPacked, Policy::kSpread, Policy::kRail,
                                  Policy::kGpuAffine};
constexpr std::array kOffers = {Offer::kBoth, Offer::kDevicePlugin, Offer::kDra};

// One of `values`, by its name; absent: the first.
template <class T, std::size_t N>
Result<T> read_choice(Fields& fields, std::string_view key, const std::array<T, N>& values) {
  SLUICE_TRY(const auto text, fields.string(key));
  if (!text) return values.front();
  std::array<std::string_view, N> names;
  std::string allowed;
  for (std::size_t i = 0; i < N; ++i) {
    names[i] = to_string(values[i]);
    if (names[i] == *text) return values[i];
    allowed.append(i == 0 ? "" : ", ").append(names[i]);
  }
  std::string message = fields.at(key) + " is " + cite(*text) + "; allowed: " + allowed;
  if (const auto meant = nearest_name(*text, names)) {
    message += "; did you mean '" + std::string(*meant) + "'?";
  }
  return fail(Code::kInvalid, message);
}

Result<HealthPolicy> read_health(Fields& pool, Notes& notes) {
  HealthPolicy out;
  const Json* json = pool.take("health");
  if (json == nullptr) return out;
  if (!json->is_object()) return fail(Code::kInvalid, pool.at("health") + " must be an object");
  Fields fields(*json, pool.at("health"), notes);
  const std::array<std::pair<std::string_view, bool*>, 4> switches = {{{"enabled", &out.enabled},
                                                                       {"carrier", &out.carrier},
                                                                       {"driver", &out.driver},
                                                                       {"rdma", &out.rdma}}};
  for (const auto& entry : switches) {
    SLUICE_TRY(const auto value, fields.boolean(entry.first));
    *entry.second = value.value_or(true);
  }
  SLUICE_CHECK_OK(fields.check_unknown(kHealthKeys));
  return out;
}

// Netdev names and PCI addresses, the latter in full.
Result<std::string> read_device_name(std::string_view text) {
  if (const auto address = nic::PciAddress::parse(text)) return address->to_string();
  if (const auto name = read_interface_name(text)) return std::string(text);
  return fail(Code::kInvalid, cite(text) + " is neither a PCI address nor an interface name");
}

Result<std::string> read_host_port(std::string_view text) {
  if (text.find('#') == std::string_view::npos) {
    SLUICE_TRY(const auto address, read_address(text));
    return address.to_string();
  }
  const auto read = read_pf_item(text);
  if (!read.problems.empty()) {
    return fail(Code::kInvalid, cite(text) + ": " + read.problems.front());
  }
  SLUICE_CHECK_OK(read_device_name(read.selector.name));
  return std::string(text);
}

Result<std::vector<std::string>> read_names(Fields& fields, std::string_view key,
                                            Result<std::string> (*read_one)(std::string_view)) {
  SLUICE_TRY(const auto texts, fields.strings(key));
  std::vector<std::string> out;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto name = read_one(texts[i]);
    if (!name) return fail(Code::kInvalid, item(fields.at(key), i) + ": " + name.error().message);
    out.push_back(std::move(*name));
  }
  return out;
}

Result<PoolConfig> read_pool(const Json& json, const std::string& where, const std::string& prefix,
                             Notes& notes) {
  if (!json.is_object()) return fail(Code::kInvalid, where + " must be an object");
  Fields fields(json, where, notes);
  PoolConfig out;
  SLUICE_TRY(const auto name, fields.string("name"));
  if (!name) return fail(Code::kInvalid, where + ".name is missing; allowed is a string");
  out.name = *name;
  auto good = check_resource_name(out.name, true);
  if (!good) return fail(std::move(good).error().with("reading " + where + ".name"));
  SLUICE_TRY(const auto own_prefix, fields.string("prefix"));
  out.prefix = own_prefix.value_or(prefix);
  good = check_resource_prefix(out.prefix);
  if (!good) return fail(std::move(good).error().with("reading " + where + ".prefix"));
  SLUICE_TRY(out.type, read_choice(fields, "type", kTypes));
  SLUICE_TRY(out.policy, read_choice(fields, "policy", kPolicies));
  SLUICE_TRY(out.offer, read_choice(fields, "offer", kOffers));
  SLUICE_TRY(const auto topology, fields.boolean("topology"));
  out.exclude_topology = !topology.value_or(true);
  SLUICE_TRY(out.health, read_health(fields, notes));
  SLUICE_TRY(out.additional_info, read_additional_info(fields));
  SLUICE_TRY(out.allow_reserved, read_names(fields, "allowReserved", &read_device_name));
  const Json* selectors = fields.take("selectors");
  SLUICE_CHECK_OK(fields.check_unknown(kPoolKeys));
  if (selectors == nullptr) {
    out.selectors.emplace_back();  // every device of the type
    return out;
  }
  SLUICE_TRY(out.selectors, read_selectors(*selectors, where + ".selectors", out.type, notes));
  return out;
}

Result<std::map<std::string, std::uint32_t>> read_rails(Fields& root, Notes& notes) {
  std::map<std::string, std::uint32_t> out;
  const Json* json = root.take("rails");
  if (json == nullptr) return out;
  if (!json->is_object() || json->size() > kMaxRails) {
    return fail(Code::kInvalid, "rails must be an object of at most 1024 PFs");
  }
  Fields fields(*json, "rails", notes);
  for (auto entry = json->begin(); entry != json->end(); ++entry) {
    auto name = read_device_name(entry.key());
    if (!name) return fail(Code::kInvalid, "rails: " + name.error().message);
    SLUICE_TRY(const auto rail, fields.number(entry.key(), kMaxRail));
    if (rail) out[*name] = *rail;
  }
  return out;
}

}  // namespace

Result<Draft> read_own_form(const Json& root, const std::optional<std::string>& default_prefix) {
  Notes notes(Form::kOwn);
  Fields fields(root, "", notes);
  Draft draft;
  SLUICE_TRY(const auto prefix, fields.string("resourcePrefix"));
  if (prefix) SLUICE_CHECK_OK(check_resource_prefix(*prefix));
  SLUICE_TRY(draft.config.rails, read_rails(fields, notes));
  SLUICE_TRY(draft.config.host_ports, read_names(fields, "hostPorts", &read_host_port));
  SLUICE_TRY(const auto plain_ports, fields.number("plainPorts", kMaxPlainPorts));
  draft.config.plain_ports = plain_ports.value_or(draft.config.plain_ports);
  const Json* list = fields.take("pools");
  SLUICE_CHECK_OK(fields.check_unknown(kTopKeys));
  if (list == nullptr || !list->is_array() || list->size() > kMaxPools) {
    return fail(Code::kInvalid, "pools must be a list of at most 64 pools");
  }
  if (list->empty()) notes.warn("pools", "is empty: no device is offered");
  const std::string pool_prefix = prefix.value_or(default_prefix.value_or(kDefaultPrefix));
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string where = item("pools", i);
    SLUICE_TRY(auto pool, read_pool((*list)[i], where, pool_prefix, notes));
    draft.config.pools.push_back(std::move(pool));
    draft.where.push_back(where);
  }
  draft.config.warnings = notes.take();
  return draft;
}

}  // namespace sluice::config
