// SPDX-License-Identifier: Apache-2.0
// What an ADD is going to do, found out and checked before anything is touched.
//
// Contract: nothing is changed but what an earlier, unfinished ADD or a dead pod has left in the
// way. Each port's record is complete but for what IPAM has to say.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/result.h"
#include "common/os/netns.h"
#include "sriov-cni/attach/context.h"
#include "sriov-cni/attach/engine_client.h"
#include "sriov-cni/attach/locks.h"
#include "sriov-cni/journal/journal.h"
#include "sriov-cni/ports/vf.h"

namespace sluice::cni {

struct PlannedPort {
  std::optional<FoundVf> vf;
  Record record;
  // The port's MAC follows from its address, which isn't known yet.
  bool mac_from_address = false;
};

struct Plan {
  os::NetNs pod;
  std::optional<NodeFacts> facts = {};  // unset: a network without an engine
  EngineState engine = EngineState::kNone;
  NicPlace place = {};
  std::optional<std::uint32_t> mtu = {};  // unset: each VF's own
  std::vector<PlannedPort> ports = {};    // the first is CNI_IFNAME
  Locks vf_locks = {};                    // held as long as the plan is there
};

// That the configuration's MTU isn't more than this node's pods can have.
Status check_pod_mtu(const NetConfig& config, const NodeFacts& facts);

Result<Plan> make_plan(Context& context, const Journal& journal);

}  // namespace sluice::cni
