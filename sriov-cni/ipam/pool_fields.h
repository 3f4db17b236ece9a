// SPDX-License-Identifier: Apache-2.0
// The fields of a pool's JSON, each by itself.
//
// Errors: code 7; they name the field, its value and what is allowed.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/config/section.h"
#include "sriov-cni/ipam/address_choice.h"

namespace sluice::cni {

// "<where> is <value>; allowed is <allowed>"
tl::unexpected<Error> wrong_field(const std::string& where, const nlohmann::json& value,
                                  std::string_view allowed);

// Keys with a '.' or a '/' are others'.
Status check_keys(const Section& object, std::span<const std::string_view> known);

// That there are ranges: the key, or those of a single one.
bool has_ranges(const Section& block);

// A missing key: nothing, but for ranges. The ranges of one result don't overlap.
Result<std::vector<RangeSet>> read_ranges(const Section& block);
Result<std::vector<CniRoute>> read_routes(const Section& block);
Result<std::vector<IpPrefix>> read_exclude(const Section& block);
Result<std::vector<Reservation>> read_reservations(const Section& block);
Result<CniDns> read_dns(const Section& block);

}  // namespace sluice::cni
