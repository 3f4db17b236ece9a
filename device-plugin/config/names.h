// SPDX-License-Identifier: Apache-2.0
// Which resource names the kubelet takes.
//
// Source: Kubernetes' rules for extended resources: a qualified name, which with "requests." before
// it must still be one (for quotas); nothing of kubernetes.io.
#pragma once

#include <string_view>

#include "common/base/result.h"

namespace sluice::config {

// After the '/': 1 to 63 of A-Z a-z 0-9 '-' '_' '.', a letter or digit at both ends. `dots`: the
// peer's rule has none.
Status check_resource_name(std::string_view name, bool dots);

}  // namespace sluice::config
