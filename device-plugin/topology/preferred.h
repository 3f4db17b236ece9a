// SPDX-License-Identifier: Apache-2.0
// Which of the free devices a container should get: pure functions over places.
//
// Contract: never an error and never too few: what the policy has no opinion on comes in the order
// of `available`. (An error would make the kubelet refuse the pod.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/nic/inventory.h"
#include "device-plugin/config/config.h"

namespace sluice::topology {

// Where a device is. Devices without a PF or a path have empty ones.
struct Place {
  std::string id;
  std::string pf;                // PCI address of its PF; its own when it has none
  std::uint32_t index = 0;       // VF index or sfnum
  std::uint32_t rail = 0;        // of the PF
  std::uint32_t free_on_pf = 0;  // how many of its PF's devices of this pool are free, itself too
  std::optional<int> numa_node;
  std::vector<nic::PciAddress> pcie_path;  // see nic::Function
};

struct Request {
  std::vector<std::string> available;  // includes must_include
  std::vector<std::string> must_include;
  std::size_t size = 0;
};

// `gpus`: the paths of the GPUs that the pod has, their own address last; only for kGpuAffine.
std::vector<std::string> preferred(config::Policy policy, const Request& request,
                                   const std::vector<Place>& places,
                                   const std::vector<std::vector<nic::PciAddress>>& gpus);

// How far apart two functions are: 0 same function, then by how many bridges of the longer path are
// not shared; functions below different root ports of one root are further than any below one
// switch, those of different roots furthest.
std::uint32_t distance(const std::vector<nic::PciAddress>& a, const std::string& root_a,
                       const std::vector<nic::PciAddress>& b, const std::string& root_b);

}  // namespace sluice::topology
