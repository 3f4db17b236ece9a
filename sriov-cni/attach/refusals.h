// SPDX-License-Identifier: Apache-2.0
// Wishes that are right by themselves and can't be had on this node, or not together: found before
// anything is touched.
//
// Errors: code 2 for what can't be acted on yet or here, 7 for what the configuration must change;
// each names the key.
#pragma once

#include <string>

#include "common/base/log.h"
#include "common/base/result.h"
#include "sriov-cni/attach/engine_client.h"
#include "sriov-cni/config/environment.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/ipam/ipam.h"

namespace sluice::cni {

// The engine's rules let no VLAN tag in.
Status check_engine_wishes(const NetConfig& config);

// A pod that has no VF: what only a VF can do. Of a network that serves both, what would be nice to
// have is left out with a line in the log.
Status check_veth_wishes(const NetConfig& config, const Logger& log);

// The IPAM plugin, where the network has one, is there.
Status check_ipam_plugin(const NetConfig& config, const Invocation& call);

// A pool's addresses are such as the engine takes.
Status check_pool(const IpamSource& source, const NodeFacts& facts);

}  // namespace sluice::cni
