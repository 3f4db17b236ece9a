// SPDX-License-Identifier: Apache-2.0
// What the offload engine said of its node last, for when it is away.
//
// Contract: one small file an engine, <state_dir>/node-facts-<hash of its socket>.json, replaced
// when something in it has changed. It belongs to the engine at `socket`: another's is never taken
// for it. What can't be read counts as none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "sriov-cni/attach/engine_client.h"

namespace sluice::cni {

Status keep_facts(const std::string& state_dir, const std::string& socket, const NodeFacts& facts);
std::optional<NodeFacts> cached_facts(const std::string& state_dir, const std::string& socket);
// All engines', for repair, which is told of none.
struct KeptFacts {
  std::string socket;
  NodeFacts facts;
};
std::vector<KeptFacts> all_cached_facts(const std::string& state_dir);

}  // namespace sluice::cni
