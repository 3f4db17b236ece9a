// SPDX-License-Identifier: Apache-2.0
// A VF as the kubelet sees it.
#pragma once

#include <optional>
#include <string>

namespace sluice::pools {

struct Device {
  std::string id;  // its PCI address
  bool healthy = false;
  std::string reason;  // why it isn't healthy; empty when it is
  std::optional<int> numa_node;
  bool operator==(const Device&) const = default;
};

}  // namespace sluice::pools
