// SPDX-License-Identifier: Apache-2.0
// What the offload engine said of its node last, for when it is away.
//
// Contract: one small file, <state_dir>/node-facts.json, replaced when something in it has changed.
// It belongs to the engine at `socket`: another's is never taken for it. What can't be read counts
// as none.
#pragma once

#include <optional>
#include <string>

#include "common/base/result.h"
#include "sriov-cni/attach/engine_client.h"

namespace sluice::cni {

Status keep_facts(const std::string& state_dir, const std::string& socket, const NodeFacts& facts);
std::optional<NodeFacts> cached_facts(const std::string& state_dir, const std::string& socket);
// Whatever engine's: for repair, which knows none.
std::optional<NodeFacts> any_cached_facts(const std::string& state_dir);

}  // namespace sluice::cni
