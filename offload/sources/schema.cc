// SPDX-License-Identifier: Apache-2.0
#include "offload/sources/schema.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/base/nearest_name.h"

namespace sluice::sources {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestWord = 64;  // longer than any field's name

tl::unexpected<Error> invalid(std::string message) {
  return fail(Error{Code::kInvalid, Domain::kConfig, 0, std::move(message), {}, Retry::kNever});
}

std::string join(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

std::string at(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

tl::unexpected<Error> wrong_type(const std::string& path, const json& value,
                                 std::string_view wanted) {
  return invalid(path + " is " + printable(value) + ", must be " + std::string(wanted));
}

bool is_quantity(const json& value) { return value.is_string() || value.is_number(); }

Status check_integer(const json& value, const FieldSpec& field, const std::string& path) {
  const std::string range = "a whole number from " + std::to_string(field.lowest) + " to " +
                            std::to_string(field.highest);
  if (!value.is_number_integer()) return wrong_type(path, value, range);
  const bool huge = value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX;
  if (huge || value.get<std::int64_t>() < field.lowest ||
      value.get<std::int64_t>() > field.highest) {
    return invalid(path + " is " + printable(value) + ", must be " + range);
  }
  return {};
}

Status check_list(const json& list, const FieldSpec& field, const std::string& path) {
  const bool objects = field.type == FieldType::kObjects;
  if (!list.is_array())
    return wrong_type(path, list, objects ? "a list of objects" : "a list of strings");
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (objects) {
      if (!list[i].is_object()) return wrong_type(at(path, i), list[i], "an object");
      SLUICE_CHECK_OK(check_fields(list[i], *field.child, at(path, i)));
    } else if (!list[i].is_string()) {
      return wrong_type(at(path, i), list[i], "a string");
    }
  }
  return {};
}

Status check_map(const json& map, const FieldSpec& field, const std::string& path) {
  const bool strings = field.type == FieldType::kStringMap;
  if (!map.is_object())
    return wrong_type(path, map, strings ? "a map of strings" : "a map of quantities");
  for (const auto& [key, value] : map.items()) {
    const bool good = strings ? value.is_string() : is_quantity(value);
    if (!good) {
      return wrong_type(path + "['" + key.substr(0, kLongestWord) + "']", value,
                        strings ? "a string (quote it)" : "a quantity (number or string)");
    }
  }
  return {};
}

Status check_field(const json& value, const FieldSpec& field, const std::string& path) {
  switch (field.type) {
    case FieldType::kAny:
      return {};
    case FieldType::kString:
      if (!value.is_string()) return wrong_type(path, value, "a string (quote it)");
      return {};
    case FieldType::kBool:
      if (!value.is_boolean()) return wrong_type(path, value, "true or false");
      return {};
    case FieldType::kInteger:
      return check_integer(value, field, path);
    case FieldType::kIntegerOrString:
      return value.is_string() ? Status{} : check_integer(value, field, path);
    case FieldType::kObject:
      if (!value.is_object()) return wrong_type(path, value, "an object");
      return check_fields(value, *field.child, path);
    case FieldType::kStrings:
    case FieldType::kObjects:
      return check_list(value, field, path);
    case FieldType::kStringMap:
    case FieldType::kQuantities:
      return check_map(value, field, path);
  }
  return {};
}

}  // namespace

std::string printable(const json& value) {
  if (value.is_null()) return "null";
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kLongestWord) text = text.substr(0, kLongestWord) + "...";
  if (value.is_string() && text.size() >= 2) {
    text.front() = '\'';
    if (text.back() == '"') text.back() = '\'';
  }
  return text;
}

std::optional<std::string_view> meant_by(std::string_view word,
                                         std::span<const FieldSpec> allowed) {
  std::vector<std::string_view> names;
  for (const FieldSpec& field : allowed) names.push_back(field.name);
  return nearest_name(word, names);
}

Status check_fields(const json& object, const Schema& schema, const std::string& path) {
  for (const auto& entry : object.items()) {
    const std::string& name = entry.key();
    const json& value = entry.value();
    const auto field = std::find_if(schema.fields.begin(), schema.fields.end(),
                                    [&](const FieldSpec& spec) { return spec.name == name; });
    if (field == schema.fields.end()) {
      const std::string shown = printable(json(name.substr(0, kLongestWord)));
      std::string text =
          join(path, std::string_view(shown).substr(1, shown.size() - 2)) + " is unknown";
      if (const auto meant = meant_by(name, schema.fields)) {
        text += "; did you mean '" + std::string(*meant) + "'?";
      }
      return invalid(std::move(text));
    }
    if (value.is_null()) continue;
    SLUICE_CHECK_OK(check_field(value, *field, join(path, name)));
  }
  return {};
}

}  // namespace sluice::sources
