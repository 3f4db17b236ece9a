// SPDX-License-Identifier: Apache-2.0
// A configuration made ready to choose a pool for one device after the other.
//
// Contract: refers to the configuration, which must outlive it.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "device-plugin/config/config.h"
#include "device-plugin/pools/assignment.h"
#include "device-plugin/pools/matching.h"

namespace sluice::pools {

class Assigner {
 public:
  struct Choice {
    std::size_t pool = 0;
    std::size_t selector = 0;
  };

  Assigner(const config::Config& config, const Reserved& reserved);

  // The first pool that takes it. `home`: the pool that has it already, and that forgives what a
  // device that lost its driver, or is in a pod, can't show (see Missing).
  std::optional<Choice> choose(const Facts& facts, std::optional<std::size_t> home = {}) const;

  // One entry a pool, "" for `choice`'s.
  std::vector<std::string> why_not(const Facts& facts, const std::optional<Choice>& choice) const;
  // Why no selector of this pool is even asked: its type, or the device must not be given out.
  std::optional<std::string> barred(const Facts& facts, std::size_t pool) const;

 private:
  // What keeps a device back whatever pool asks.
  struct Hold {
    std::optional<std::string> reserved;  // unless the pool names it
    std::optional<std::string> always;
    bool unbound = false;
  };
  Hold hold_of(const Facts& facts) const;
  bool names(const config::PoolConfig& pool, const Candidate& candidate) const;
  std::optional<std::string> barred(const Facts& facts, const config::PoolConfig& pool,
                                    const Hold& hold) const;
  std::optional<std::size_t> select(const Facts& facts, const config::PoolConfig& pool,
                                    Missing missing) const;
  std::string why_not(const Facts& facts, const config::PoolConfig& pool, const Hold& hold,
                      const std::optional<Choice>& choice) const;
  std::optional<std::string> host_port(const Facts& facts) const;

  const config::Config& config_;
  const Reserved& reserved_;
  std::set<std::string, std::less<>> host_addresses_;
  std::vector<config::PfSelector> host_functions_;
};

}  // namespace sluice::pools
