// SPDX-License-Identifier: Apache-2.0
// Which fields a Kubernetes object may have, as tables, and the check of a JSON value against them.
//
// Contract: after check_fields() every field that is there is known and has its type and range;
// null counts as absent, as the API server treats it. kAny fields are accepted and not looked into.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"

namespace sluice::sources {

enum class FieldType : std::uint8_t {
  kAny,
  kString,
  kBool,
  kInteger,
  kIntegerOrString,
  kStrings,     // list of strings
  kStringMap,   // values are strings
  kQuantities,  // values are numbers or strings
  kObject,
  kObjects,  // list of objects
};

struct Schema;

struct FieldSpec {
  std::string_view name;
  FieldType type = FieldType::kAny;
  const Schema* child = nullptr;  // of kObject and kObjects
  std::int64_t lowest = INT32_MIN;
  std::int64_t highest = INT32_MAX;
};

struct Schema {
  std::span<const FieldSpec> fields;
};

extern const Schema kNodeSchema;
extern const Schema kPodSchema;
extern const Schema kServiceSchema;
extern const Schema kEndpointSliceSchema;

// `path` is that of `object` itself, "" at the top. The Error says path, value and what is allowed.
Status check_fields(const nlohmann::json& object, const Schema& schema, const std::string& path);

// A value for an error message: short, on one line.
std::string printable(const nlohmann::json& value);

}  // namespace sluice::sources
