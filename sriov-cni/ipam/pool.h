// SPDX-License-Identifier: Apache-2.0
// The `ipam` object of `"type": "sluice"`: what this node and rail have of a pool.
//
// Contract: `ranges` (or one range's keys by themselves) in the shape of the host-local plugin,
// with its defaults: a range is all of its subnet, the gateway the subnet's first address. They are
// at the top, or below `nodes` and `rails`, nested either way, or in `blocksFile` with the same
// keys. `exclude` and `reservations` add up from the outside to the ranges; of `routes` and `dns`
// the innermost counts. Only what leads to this node's ranges is read. Bounded: 256 ranges, 1024
// exclusions, 4096 reservations, 256 routes.
// Errors: code 7, with the field.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/ip.h"
#include "common/base/result.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/ipam/address_choice.h"

namespace sluice::cni {

inline constexpr std::size_t kMaxBlocksBytes = std::size_t{4} << 20U;

struct Pool {
  std::string name;
  std::string rail = "-";      // its directory's name: a key of `rails`; "-" for "*" and without
  std::vector<RangeSet> sets;  // one address of each; no range overlaps another
  std::vector<IpPrefix> exclude;
  std::vector<Reservation> reservations;
  std::vector<CniRoute> routes;
  CniDns dns;

  AddressSource source(std::size_t set) const;
};

struct PoolPlace {
  std::string network;            // the pool's name where `pool` is missing
  std::string node;               // may be empty
  std::vector<std::string> rail;  // names of the device's rail, the most telling first
};

using ReadFile = std::function<Result<std::string>(const std::string& path)>;

// `text`: the ipam object. `read`: of the blocks file.
Result<Pool> parse_pool(std::string_view text, const PoolPlace& place, const ReadFile& read);

// The name alone, also of an object that is wrong elsewhere.
Result<std::string> pool_name(std::string_view text, const std::string& network);

}  // namespace sluice::cni
