// SPDX-License-Identifier: Apache-2.0
// The device plugin's configuration: pools and what selects their VFs.
//
// Contract: a key that isn't known is an error that names the nearest known one; a misspelled
// selector must never select everything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sluice::pools {

inline constexpr std::size_t kMaxPools = 64;

struct IndexRange {
  std::uint16_t first = 0, last = 0;  // both included
  auto operator<=>(const IndexRange&) const = default;
};

// "p0", or "p0#0-3,7": VFs of the PF whose netdev is p0.
struct PfSelector {
  std::string name;
  std::vector<IndexRange> indexes;  // empty: all

  static Result<PfSelector> parse(std::string_view text);
  bool matches(std::string_view pf_name, std::uint16_t vf_index) const;
  bool operator==(const PfSelector&) const = default;
};

// An empty list doesn't filter.
struct Selectors {
  std::vector<std::string> drivers;  // the VF's own driver
  std::vector<PfSelector> pf_names;
  bool operator==(const Selectors&) const = default;
};

struct PoolConfig {
  std::string name;
  Selectors selectors;
  bool operator==(const PoolConfig&) const = default;
};

Result<std::vector<PoolConfig>> parse_config(std::string_view json);
std::vector<PoolConfig> default_pools();  // "vf" with every VF

// A DNS name, as Kubernetes wants before the '/' of an extended resource.
Status check_resource_prefix(std::string_view prefix);

}  // namespace sluice::pools
