// SPDX-License-Identifier: Apache-2.0
#include "common/nic/drivers.h"

#include <algorithm>
#include <array>

namespace sluice::nic {

bool makes_no_netdev(std::string_view driver) {
  // ifcvf is a vDPA driver whose name doesn't say so.
  static constexpr std::array<std::string_view, 6> kParts = {"vfio",    "uio",  "pci-stub",
                                                             "pciback", "vdpa", "ifcvf"};
  return std::any_of(kParts.begin(), kParts.end(), [&](std::string_view part) {
    return driver.find(part) != std::string_view::npos;
  });
}

}  // namespace sluice::nic
