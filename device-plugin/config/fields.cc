// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/config/fields.h"

#include <nlohmann/json.hpp>

#include "common/base/nearest_name.h"
#include "device-plugin/config/text.h"

namespace sluice::config {
namespace {

constexpr std::size_t kMaxWarnings = 200;
constexpr std::size_t kMaxItems = 1024;
constexpr std::size_t kMaxInfoBytes = std::size_t{64} << 10U;

Error wrong_type(const std::string& where, const Json& value, const char* wanted) {
  return Error{Code::kInvalid,
               Domain::kConfig,
               0,
               where + " is " + kind_of(value) + "; allowed is " + wanted,
               {},
               Retry::kNever};
}

std::string list_of(std::span<const std::string_view> names) {
  std::string out;
  for (const auto name : names) out.append(out.empty() ? "" : ", ").append(name);
  return out;
}

}  // namespace

void Notes::warn(std::string where, std::string what) {
  if (warnings_.size() < kMaxWarnings) {
    warnings_.push_back({std::move(where), std::move(what)});
  } else if (warnings_.size() == kMaxWarnings) {
    warnings_.push_back({"configuration", "has more to warn of than is shown"});
  }
}

Status Notes::mistake(const std::string& where, const std::string& what) {
  if (form_ == Form::kOwn) return fail(Code::kInvalid, where + ": " + what);
  warn(where, what);
  return {};
}

Fields::Fields(const Json& object, std::string where, Notes& notes)
    : object_(object), where_(std::move(where)), notes_(notes) {}

const Json* Fields::take(std::string_view key) {
  const Json* out = nullptr;
  if (const auto found = object_.find(key); found != object_.end()) {
    taken_.insert(found.key());
    out = &*found;
  }
  if (notes_.form() == Form::kPeer) {
    for (auto entry = object_.begin(); entry != object_.end(); ++entry) {
      if (entry.key() == key || !equal_fold(entry.key(), key)) continue;
      taken_.insert(entry.key());
      if (out == nullptr) {
        out = &*entry;
      } else {
        notes_.warn(at(entry.key()), "is given twice, in different cases; this one is ignored");
      }
    }
  }
  return out == nullptr || out->is_null() ? nullptr : out;
}

Result<std::optional<std::string>> Fields::string(std::string_view key) {
  const Json* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return fail(wrong_type(at(key), *value, "a string"));
  return value->get<std::string>();
}

Result<std::optional<bool>> Fields::boolean(std::string_view key) {
  const Json* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) return fail(wrong_type(at(key), *value, "true or false"));
  return value->get<bool>();
}

Result<std::optional<std::uint32_t>> Fields::number(std::string_view key, std::uint32_t limit) {
  const Json* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_unsigned() || value->get<std::uint64_t>() > limit) {
    const std::string allowed = "a whole number from 0 to " + std::to_string(limit);
    return fail(wrong_type(at(key), *value, allowed.c_str()));
  }
  return value->get<std::uint32_t>();
}

Result<std::vector<std::string>> Fields::strings(std::string_view key) {
  std::vector<std::string> out;
  const Json* value = take(key);
  if (value == nullptr) return out;
  if (!value->is_array()) return fail(wrong_type(at(key), *value, "a list of strings"));
  if (value->empty() && notes_.form() == Form::kOwn) {
    return fail(Code::kInvalid, at(key) + " is empty; leave it out to select by nothing");
  }
  if (value->size() > kMaxItems) {
    return fail(Code::kInvalid, at(key) + " has " + std::to_string(value->size()) +
                                    " entries; allowed are " + std::to_string(kMaxItems));
  }
  for (std::size_t i = 0; i < value->size(); ++i) {
    const auto& entry = (*value)[i];
    if (!entry.is_string()) return fail(wrong_type(item(at(key), i), entry, "a string"));
    out.push_back(entry.get<std::string>());
  }
  return out;
}

Fields::Unknown Fields::describe(const std::string& key,
                                 std::span<const std::string_view> known) const {
  std::string what = "is unknown";
  if (const auto meant = nearest_name(key, known)) {
    what += ", did you mean '" + std::string(*meant) + "'?";
  }
  return {at(bounded(key)), what + " (allowed: " + list_of(known) + ")"};
}

std::optional<Fields::Unknown> Fields::unknown(std::span<const std::string_view> known) const {
  for (auto entry = object_.begin(); entry != object_.end(); ++entry) {
    if (!taken_.contains(entry.key())) return describe(entry.key(), known);
  }
  return std::nullopt;
}

Status Fields::check_unknown(std::span<const std::string_view> known) {
  for (auto entry = object_.begin(); entry != object_.end(); ++entry) {
    if (taken_.contains(entry.key())) continue;
    auto found = describe(entry.key(), known);
    if (notes_.form() == Form::kOwn) {
      return fail(Code::kInvalid, found.where + " " + found.what);
    }
    notes_.warn(std::move(found.where), found.what + "; it is ignored");
  }
  return {};
}

Result<std::map<std::string, std::map<std::string, std::string>>> read_additional_info(
    Fields& fields) {
  constexpr std::string_view kKey = "additionalInfo";
  std::map<std::string, std::map<std::string, std::string>> out;
  const Json* value = fields.take(kKey);
  if (value == nullptr) return out;
  const std::string where = fields.at(kKey);
  constexpr const char* kAllowed = "an object of objects of strings";
  if (!value->is_object()) return fail(wrong_type(where, *value, kAllowed));
  std::size_t bytes = 0;
  for (auto device = value->begin(); device != value->end(); ++device) {
    const std::string place = where + "[" + cite(device.key()) + "]";
    if (device->is_null()) continue;
    if (!device->is_object()) return fail(wrong_type(place, *device, kAllowed));
    const auto address = nic::PciAddress::parse(device.key());
    auto& info = out[address ? address->to_string() : device.key()];
    bytes += device.key().size();
    for (auto entry = device->begin(); entry != device->end(); ++entry) {
      if (!entry->is_string()) {
        return fail(wrong_type(place + "[" + cite(entry.key()) + "]", *entry, "a string"));
      }
      bytes += entry.key().size() + entry->get_ref<const std::string&>().size();
      info[entry.key()] = entry->get<std::string>();
    }
  }
  if (bytes > kMaxInfoBytes) {
    return fail(Code::kInvalid, where + " has " + std::to_string(bytes) +
                                    " bytes; allowed are 65536, as all of it becomes environment");
  }
  return out;
}

std::string kind_of(const Json& value) {
  if (value.is_string()) return "the string " + cite(value.get_ref<const std::string&>());
  if (value.is_number()) return "the number " + value.dump();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_object()) return "an object";
  return value.is_array() ? "a list" : "null";
}

std::string item(const std::string& where, std::size_t index) {
  return where + "[" + std::to_string(index) + "]";
}

}  // namespace sluice::config
