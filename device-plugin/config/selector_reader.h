// SPDX-License-Identifier: Apache-2.0
// Selectors from JSON, the same keys in both forms.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "device-plugin/config/fields.h"

namespace sluice::config {

inline constexpr std::size_t kMaxSelectors = 64;  // of one pool

// `json`: an object, or a list of objects. What `type` has no use for is unknown.
// Errors: Code::kInvalid refuses the pool. Values that no device can have are warnings in the
// peer's form (and select nothing), errors in ours.
Result<std::vector<Selector>> read_selectors(const Json& json, const std::string& where,
                                             DeviceType type, Notes& notes);

}  // namespace sluice::config
