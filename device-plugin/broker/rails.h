// SPDX-License-Identifier: Apache-2.0
// The rails of a node's PFs: pure.
#pragma once

#include <cstdint>

#include "common/nic/inventory.h"
#include "device-plugin/config/config.h"
#include "device-plugin/pools/candidate.h"

namespace sluice::broker {

// As configured for its PF, by netdev name or PCI address; else the PF's place among the PFs.
std::uint32_t rail_of(const pools::Candidate& candidate, const nic::Inventory& inventory,
                      const config::Config& config);

}  // namespace sluice::broker
