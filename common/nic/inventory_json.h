// SPDX-License-Identifier: Apache-2.0
// An inventory as JSON: saved on one machine, looked at on another.
//
// Contract: what to_json() wrote is read back equal. Reading is strict (unknown keys, wrong types,
// a device twice) and bounded; a field that is absent has its default, so that one can be written
// by hand.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/nic/inventory.h"

namespace sluice::nic {

inline constexpr std::size_t kMaxInventoryBytes = std::size_t{16} << 20U;

std::string to_json(const Inventory& inventory);
Result<Inventory> inventory_from_json(std::string_view text);

}  // namespace sluice::nic
