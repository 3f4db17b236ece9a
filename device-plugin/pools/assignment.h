// SPDX-License-Identifier: Apache-2.0
// Which pool takes which candidate, and why the others don't: pure.
//
// Contract: pools in order, a pool's selectors in order, a device goes to the first that matches
// and to no other. What the peer excludes is excluded, with a reason: a PF with VFs, the node's own
// uplink function and its host ports (unless named in allow_reserved), a function without a driver.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "device-plugin/config/config.h"
#include "device-plugin/pools/candidate.h"

namespace sluice::pools {

// Netdev name or PCI address -> why nobody may have it.
using Reserved = std::map<std::string, std::string>;

struct Verdict {
  std::string id;
  std::optional<std::size_t> pool;   // index into Config::pools
  std::size_t selector = 0;          // of that pool
  std::vector<std::string> why_not;  // one entry a pool, "" for the one that took it
};

std::vector<Verdict> assign(const config::Config& config, const std::vector<Candidate>& candidates,
                            const Reserved& reserved);

// Does this one selector take it? Otherwise why not, naming the key and both values.
std::optional<std::string> mismatch(const config::Selector& selector, const Candidate& candidate);

}  // namespace sluice::pools
