// SPDX-License-Identifier: Apache-2.0
// A configuration and an inventory in words: which pool takes which device, and why others don't.
//
// Contract: the answer to "why is my pool empty?", for people, one fact a line. The wording may
// change.
#pragma once

#include <string>

#include "common/nic/inventory.h"
#include "device-plugin/config/config.h"
#include "device-plugin/pools/assignment.h"

namespace sluice::pools {

std::string explain(const config::Config& config, const nic::Inventory& inventory,
                    const Reserved& reserved);

}  // namespace sluice::pools
