// SPDX-License-Identifier: Apache-2.0
// The policies themselves, each over the same problem. Internal to this folder.
//
// Contract: an answer has min(need, free.size()) different indexes into `free`.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "device-plugin/topology/preferred.h"

namespace sluice::topology {

struct Item {
  std::string id;
  Place place;
};

struct Problem {
  std::vector<Item> taken;  // what must be in the answer
  std::vector<Item> free;   // in the order of `available`: an earlier one wins a tie
  std::size_t need = 0;     // how many of `free`
  std::vector<std::vector<nic::PciAddress>> gpus;
};

using Picks = std::vector<std::size_t>;

Picks packed(const Problem& problem);
Picks spread(const Problem& problem);
Picks rail(const Problem& problem);
Picks gpu_affine(const Problem& problem);  // `gpus` isn't empty, and has no empty path

}  // namespace sluice::topology
