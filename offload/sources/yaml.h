// SPDX-License-Identifier: Apache-2.0
// YAML text -> JSON values, one a document, with bounds for hostile input.
//
// Contract: scalars by YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema);
// quoted ones are strings. Refused: duplicate keys, keys that aren't strings, tags other than
// !!str, cyclic aliases, more nodes (aliases counted as often as they are used) than `max_nodes`.
// Errors: Code::kInvalid with document and line.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"

namespace sluice::sources {

struct YamlLimits {
  std::size_t max_bytes = 0;
  std::size_t max_depth = 0;
  std::size_t max_nodes = 0;
};

Result<std::vector<nlohmann::json>> parse_yaml(std::string_view text, const YamlLimits& limits);

// A plain scalar's value by the core schema.
nlohmann::json resolve_plain_scalar(const std::string& text);

}  // namespace sluice::sources
