// SPDX-License-Identifier: Apache-2.0
// What a pool answers to the kubelet's questions: pure functions over its device list.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "device-plugin/pools/device.h"

namespace sluice::pools {

// "SLUICE_VF_<POOL>" and "PCIDEVICE_<RESOURCE>": upper case, everything but A-Z and 0-9 becomes
// '_', so that every shell can read them.
std::string pool_variable(std::string_view pool);
std::string resource_variable(std::string_view resource);

// The environment of a container that gets `ids`: both variables hold them, comma-separated, in the
// order given. Code::kInvalid names every id that is unknown or unhealthy, and why.
Result<std::map<std::string, std::string>> allocate(const std::vector<Device>& devices,
                                                    const std::vector<std::string>& ids,
                                                    std::string_view pool,
                                                    std::string_view resource);

// `must_include` and then the first of `available` in the order of `devices`, `size` in all (fewer
// when there aren't enough). Never an error: the kubelet would refuse the pod for one.
std::vector<std::string> preferred(const std::vector<Device>& devices,
                                   const std::vector<std::string>& available,
                                   const std::vector<std::string>& must_include, std::size_t size);

}  // namespace sluice::pools
