// SPDX-License-Identifier: Apache-2.0
// The two forms of a configuration, each into the same draft.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "device-plugin/config/fields.h"

namespace sluice::config {

struct Draft {
  Config config;
  std::vector<std::string> where;  // of each pool: "resourceList[2]"
};

Result<Draft> read_peer_form(const Json& root, const std::optional<std::string>& default_prefix);
Result<Draft> read_own_form(const Json& root, const std::optional<std::string>& default_prefix);

// Adds warnings for selectors that an earlier one, of any pool, leaves nothing for, where that can
// be told from the configuration alone.
void warn_of_overlap(Draft& draft);

}  // namespace sluice::config
