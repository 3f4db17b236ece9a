// SPDX-License-Identifier: Apache-2.0
// Parts of a result that are in other JSON texts too. Internal to sriov-cni/config.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/config/section.h"

namespace sluice::cni {

// As parse_result(). `name`: of the field that it is in, for error messages; may be empty.
Result<CniResult> read_result(const nlohmann::json& json, std::string_view version,
                              const std::string& name);
// `servers`, `search`: what the two lists are called where this one is.
Status read_dns(const Section& from, std::string_view servers, std::string_view search,
                CniDns& out);

}  // namespace sluice::cni
