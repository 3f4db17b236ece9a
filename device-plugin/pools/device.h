// SPDX-License-Identifier: Apache-2.0
// A device of a pool, as the kubelet and people see it.
#pragma once

#include <optional>
#include <string>

namespace sluice::pools {

struct Device {
  std::string id;  // its PCI address, or an SF's name
  bool healthy = false;
  std::string reason;  // why it isn't healthy; empty when it is
  std::optional<int> numa_node;
  bool operator==(const Device&) const = default;
};

}  // namespace sluice::pools
