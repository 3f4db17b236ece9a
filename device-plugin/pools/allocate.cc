// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/pools/allocate.h"

#include <algorithm>
#include <set>

namespace sluice::pools {
namespace {

std::string shell_name(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= 'a' && c <= 'z') {
      out += static_cast<char>(c - 'a' + 'A');
    } else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
      out += c;
    } else {
      out += '_';
    }
  }
  return out;
}

}  // namespace

std::string pool_variable(std::string_view pool) { return "SLUICE_VF_" + shell_name(pool); }

std::string resource_variable(std::string_view resource) {
  return "PCIDEVICE_" + shell_name(resource);
}

Result<std::map<std::string, std::string>> allocate(const std::vector<Device>& devices,
                                                    const std::vector<std::string>& ids,
                                                    std::string_view pool,
                                                    std::string_view resource) {
  std::string joined, refused;
  for (const auto& id : ids) {
    const auto found = std::find_if(devices.begin(), devices.end(),
                                    [&](const Device& device) { return device.id == id; });
    if (found == devices.end()) {
      refused += (refused.empty() ? "" : "; ") + id.substr(0, 64) + " is unknown";
    } else if (!found->healthy) {
      refused += (refused.empty() ? "" : "; ") + id + " is unhealthy (" + found->reason + ")";
    }
    joined += (joined.empty() ? "" : ",") + id;
  }
  if (!refused.empty()) {
    return fail(Code::kInvalid, "devices of " + std::string(resource) + ": " + refused);
  }
  return std::map<std::string, std::string>{{pool_variable(pool), joined},
                                            {resource_variable(resource), joined}};
}

std::vector<std::string> preferred(const std::vector<Device>& devices,
                                   const std::vector<std::string>& available,
                                   const std::vector<std::string>& must_include, std::size_t size) {
  std::vector<std::string> out;
  std::set<std::string> taken;
  const auto take = [&](const std::string& id) {
    if (out.size() < size && taken.insert(id).second) out.push_back(id);
  };
  for (const auto& id : must_include) take(id);
  const std::set<std::string> candidates(available.begin(), available.end());
  for (const auto& device : devices) {
    if (candidates.count(device.id) != 0) take(device.id);
  }
  // What the kubelet offers and we don't know (any more): better than answering with too few.
  for (const auto& id : available) take(id);
  return out;
}

}  // namespace sluice::pools
