// SPDX-License-Identifier: Apache-2.0
// MAC addresses that are made up, the same ones in every run.
//
// Source of the first byte: IEEE 802 8.2, locally administered, unicast.
#pragma once

#include <cstdint>

#include "common/base/addr.h"

namespace sluice {

// From a hash of what it is for (hash.h): 02, then the lowest 40 bits, the lowest byte first.
MacAddr derived_mac(std::uint64_t hash);

}  // namespace sluice
