// SPDX-License-Identifier: Apache-2.0
// The pools as people see them (common/api/devices.proto): pure.
#pragma once

#include <string>

#include "device-plugin/pools/pool_set.h"

namespace sluice::api {
class DeviceList;
}  // namespace sluice::api

namespace sluice::lookup {

// What a message may carry: printable ASCII, other bytes as '?' (a string that is no UTF-8 would
// make the whole answer unreadable), at most 1000 characters.
std::string printable(std::string text);

// Pools in order, then those that the configuration asked for and that were refused.
void list_pools(const pools::PoolSet& pools, api::DeviceList& out);

}  // namespace sluice::lookup
