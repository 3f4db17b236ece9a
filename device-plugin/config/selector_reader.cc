// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/config/selector_reader.h"

#include <algorithm>
#include <array>
#include <set>

#include <nlohmann/json.hpp>

#include "common/base/nearest_name.h"
#include "device-plugin/config/ranges.h"
#include "device-plugin/config/selector_values.h"
#include "device-plugin/config/text.h"

namespace sluice::config {
namespace {

constexpr std::array<std::string_view, 13> kNetworkKeys = {
    "vendors",   "devices",     "drivers", "pciAddresses", "acpiIndexes",  "pfNames", "rootDevices",
    "linkTypes", "ddpProfiles", "pKeys",   "isRdma",       "needVhostNet", "vdpaType"};
constexpr std::array<std::string_view, 10> kSfKeys = {
    "vendors", "devices",     "drivers",   "acpiIndexes", "auxTypes",
    "pfNames", "rootDevices", "linkTypes", "isRdma",      "needVhostNet"};
constexpr std::array<std::string_view, 5> kAcceleratorKeys = {"vendors", "devices", "drivers",
                                                              "pciAddresses", "acpiIndexes"};
constexpr std::array<std::string_view, 2> kVdpaTypes = {"vhost", "virtio"};

std::span<const std::string_view> keys_of(DeviceType type) {
  switch (type) {
    case DeviceType::kSf:
      return kSfKeys;
    case DeviceType::kAccelerator:
      return kAcceleratorKeys;
    case DeviceType::kNetwork:
    case DeviceType::kVf:
    case DeviceType::kPf:
      return kNetworkKeys;
  }
  return kNetworkKeys;
}

// One selector being read.
class Reader {
 public:
  Reader(const Json& json, const std::string& where, DeviceType type, Notes& notes)
      : fields_(json, where, notes), type_(type), notes_(notes) {}

  Result<Selector> read();

 private:
  bool has(std::string_view key) const {
    const auto keys = keys_of(type_);
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  }
  template <class T>
  Status list(std::string_view key, std::vector<T>& out, Result<T> (*read_one)(std::string_view));
  Status functions(std::string_view key, std::vector<PfSelector>& out);
  Result<PfSelector> function(std::string_view key, const std::string& text,
                              const std::string& place);
  Status lists(Selector& out);
  Status flags(Selector& out);
  Status aux_types(Selector& out);
  Status check(const Selector& out);
  void impossible(std::string_view key) {
    if (nothing_.empty()) nothing_ = std::string(key) + " has no value that a device could have";
  }

  Fields fields_;
  DeviceType type_;
  Notes& notes_;
  std::string nothing_;
};

template <class T>
Status Reader::list(std::string_view key, std::vector<T>& out,
                    Result<T> (*read_one)(std::string_view)) {
  if (!has(key)) return {};
  SLUICE_TRY(const auto texts, fields_.strings(key));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto value = read_one(texts[i]);
    if (!value) {
      SLUICE_CHECK_OK(
          notes_.mistake(item(fields_.at(key), i), value.error().message + "; no device has that"));
    } else if (std::find(out.begin(), out.end(), *value) == out.end()) {
      out.push_back(std::move(*value));
    }
  }
  if (!texts.empty() && out.empty()) impossible(key);
  return {};
}

Result<PfSelector> Reader::function(std::string_view key, const std::string& text,
                                    const std::string& place) {
  auto read = read_pf_item(text);
  for (const auto& problem : read.problems) {
    SLUICE_CHECK_OK(notes_.mistake(place, cite(text) + ": " + problem));
  }
  Status name;
  if (key == "rootDevices") {
    auto address = read_address(read.selector.name);
    if (address) read.selector.name = address->to_string();
    if (!address) name = fail(std::move(address).error());
  } else {
    auto known = read_interface_name(read.selector.name);
    if (!known) name = fail(std::move(known).error());
  }
  if (!name) {
    SLUICE_CHECK_OK(notes_.mistake(place, name.error().message + "; no device has that"));
  }
  return std::move(read.selector);
}

Status Reader::functions(std::string_view key, std::vector<PfSelector>& out) {
  if (!has(key)) return {};
  SLUICE_TRY(const auto texts, fields_.strings(key));
  std::set<std::string> seen;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string place = item(fields_.at(key), i);
    SLUICE_TRY(auto selector, function(key, texts[i], place));
    // Only the first entry of a PF counts, as in the peer.
    if (!seen.insert(selector.name).second) {
      SLUICE_CHECK_OK(notes_.mistake(
          place, cite(texts[i]) + " is the second entry for " + cite(selector.name) +
                     " and is never looked at; write one, such as '" + selector.name + "#0-3,7'"));
      continue;
    }
    out.push_back(std::move(selector));
  }
  return {};
}

Status Reader::lists(Selector& out) {
  SLUICE_CHECK_OK(list("vendors", out.vendors, &read_id));
  SLUICE_CHECK_OK(list("devices", out.devices, &read_id));
  SLUICE_CHECK_OK(list("drivers", out.drivers, &read_driver));
  SLUICE_CHECK_OK(list("pciAddresses", out.pci_addresses, &read_address));
  SLUICE_CHECK_OK(list("acpiIndexes", out.acpi_indexes, &read_word));
  SLUICE_CHECK_OK(functions("pfNames", out.pf_names));
  SLUICE_CHECK_OK(functions("rootDevices", out.root_devices));
  SLUICE_CHECK_OK(list("linkTypes", out.link_types, &read_link_type));
  SLUICE_CHECK_OK(list("ddpProfiles", out.ddp_profiles, &read_word));
  return list("pKeys", out.pkeys, &read_pkey);
}

Status Reader::aux_types(Selector& out) {
  if (!has("auxTypes")) return {};
  SLUICE_TRY(out.aux_types, fields_.strings("auxTypes"));
  for (std::size_t i = 0; i < out.aux_types.size(); ++i) {
    if (out.aux_types[i] == "sf") continue;
    return fail(Code::kInvalid, item(fields_.at("auxTypes"), i) + " is " + cite(out.aux_types[i]) +
                                    "; allowed is only 'sf'");
  }
  if (out.aux_types.empty() && notes_.form() == Form::kPeer) {
    return fail(Code::kInvalid,
                fields_.at("auxTypes") + " is missing; an auxNetDevice needs [\"sf\"]");
  }
  return {};
}

Status Reader::flags(Selector& out) {
  if (has("isRdma")) {
    SLUICE_TRY(const auto value, fields_.boolean("isRdma"));
    out.is_rdma = value.value_or(false);
  }
  if (has("needVhostNet")) {
    SLUICE_TRY(const auto value, fields_.boolean("needVhostNet"));
    out.need_vhost_net = value.value_or(false);
  }
  if (!has("vdpaType")) return {};
  SLUICE_TRY(const auto value, fields_.string("vdpaType"));
  if (!value || value->empty()) return {};
  if (std::find(kVdpaTypes.begin(), kVdpaTypes.end(), *value) == kVdpaTypes.end()) {
    std::string message = cite(*value) + " is no vDPA type; allowed: vhost, virtio";
    if (const auto meant = nearest_name(*value, kVdpaTypes)) {
      message += "; did you mean '" + std::string(*meant) + "'?";
    }
    SLUICE_CHECK_OK(notes_.mistake(fields_.at("vdpaType"), message));
    impossible("vdpaType");
    return {};
  }
  out.vdpa_type = *value;
  return {};
}

// What can be read, but can't be meant.
Status Reader::check(const Selector& out) {
  if (out.is_rdma && !out.vdpa_type.empty()) {
    return fail(Code::kInvalid, fields_.where() +
                                    " has both isRdma and vdpaType; a device is given as one or "
                                    "the other: write two selectors");
  }
  if (out.link_types.size() > 1) {
    notes_.warn(fields_.at("linkTypes"), "names every link type, which selects as none does");
  }
  if (!out.pkeys.empty() && !out.link_types.empty() &&
      std::find(out.link_types.begin(), out.link_types.end(), "infiniband") ==
          out.link_types.end()) {
    SLUICE_CHECK_OK(notes_.mistake(fields_.at("pKeys"),
                                   "only InfiniBand devices have partition keys; with linkTypes "
                                   "'ether' nothing matches"));
  }
  if (!out.ddp_profiles.empty()) {
    notes_.warn(fields_.at("ddpProfiles"), "DDP profiles are not read; this selects nothing");
  }
  if (type_ == DeviceType::kPf && !out.root_devices.empty()) {
    SLUICE_CHECK_OK(notes_.mistake(fields_.at("rootDevices"),
                                   "a PF has no root device; name it in pciAddresses"));
  }
  const bool indexed = std::any_of(out.pf_names.begin(), out.pf_names.end(),
                                   [](const PfSelector& pf) { return !pf.everything; });
  if (type_ == DeviceType::kPf && indexed) {
    SLUICE_CHECK_OK(
        notes_.mistake(fields_.at("pfNames"), "a PF has no index; write its name without '#'"));
  }
  return {};
}

Result<Selector> Reader::read() {
  Selector out;
  SLUICE_CHECK_OK(lists(out));
  SLUICE_CHECK_OK(flags(out));
  // Before the rules of one type: a misspelled key explains them best.
  if (has("auxTypes")) fields_.take("auxTypes");
  if (const auto unknown = fields_.unknown(keys_of(type_))) {
    return fail(Code::kInvalid, unknown->where + " " + unknown->what);
  }
  SLUICE_CHECK_OK(aux_types(out));
  SLUICE_CHECK_OK(check(out));
  out.nothing = nothing_;
  return out;
}

Result<Selector> read_selector(const Json& json, const std::string& where, DeviceType type,
                               Notes& notes) {
  if (!json.is_object()) {
    return fail(Code::kInvalid, where + " is " + kind_of(json) + "; allowed is an object");
  }
  SLUICE_TRY(auto selector, Reader(json, where, type, notes).read());
  if (selector == Selector{} && notes.form() == Form::kPeer) {
    notes.warn(where, "filters nothing: every device of the type is selected");
  }
  return selector;
}

}  // namespace

Result<std::vector<Selector>> read_selectors(const Json& json, const std::string& where,
                                             DeviceType type, Notes& notes) {
  std::vector<Selector> out;
  if (!json.is_array()) {
    SLUICE_TRY(auto selector, read_selector(json, where, type, notes));
    out.push_back(std::move(selector));
    return out;
  }
  if (json.empty() || json.size() > kMaxSelectors) {
    return fail(Code::kInvalid, where + " has " + std::to_string(json.size()) +
                                    " selectors; allowed are 1 to " +
                                    std::to_string(kMaxSelectors));
  }
  for (std::size_t i = 0; i < json.size(); ++i) {
    SLUICE_TRY(auto selector, read_selector(json[i], item(where, i), type, notes));
    out.push_back(std::move(selector));
  }
  return out;
}

}  // namespace sluice::config
