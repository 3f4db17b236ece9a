// SPDX-License-Identifier: Apache-2.0
// "p0", "p0#0-3,7": which functions of a PF, in the peer's grammar.
//
// Source: sriov-network-device-plugin's README and behaviour: entries count from left to right
// until the first that can't be read; more than one '#' selects nothing; numbers may have a '+' and
// zeros in front, but no spaces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "device-plugin/config/config.h"

namespace sluice::config {

struct PfItem {
  PfSelector selector;
  std::vector<std::string> problems;  // parts that select nothing, each said in one sentence
};

PfItem read_pf_item(std::string_view text);

// Does `selector` (whose name fits) take this function? Unset: a function without a number.
bool selects_index(const PfSelector& selector, std::optional<std::uint32_t> index);

// As it is written in a configuration.
std::string to_string(const PfSelector& selector);

}  // namespace sluice::config
