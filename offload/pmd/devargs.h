// SPDX-License-Identifier: Apache-2.0
// The device's arguments: --vdev net_esw0,representor=vf[0-7],host=1,rules=100000,leg=net_null0
#pragma once

#include "common/base/result.h"
#include "offload/pmd/switch.h"

namespace sluice::pmd {

// Errors: kInvalid names the argument, its value and what is allowed.
Result<SwitchOptions> parse_devargs(const std::string& name, const std::string& args);

}  // namespace sluice::pmd
