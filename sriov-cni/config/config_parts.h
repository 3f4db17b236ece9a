// SPDX-License-Identifier: Apache-2.0
// The parts that parse_config() is made of. Internal to sriov-cni/config.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"
#include "sriov-cni/config/environment.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/config/section.h"

namespace sluice::cni {

// Where the same wish may stand. What a runtime asks for one pod goes before what is the network's:
// runtimeConfig, args.cni, CNI_ARGS, the configuration itself.
struct Sources {
  Section config;
  std::optional<Section> runtime;  // runtimeConfig
  std::optional<Section> args;     // args.cni
  const Invocation& call;
};

// cniVersion, which must have the verb.
Result<std::string> read_version(const nlohmann::json& json, Verb verb);
// Into out.vf and out.mtu; the dialect is known.
Status read_vf(const Sources& from, NetConfig& out);
// vlan, vlanQoS, vlanProto, trunk.
Status read_vlan(const Section& config, VfWish& out);
// What the runtime asks for besides the VF; engine and ipam are known. Capabilities that nothing
// acts on are refused.
Status read_runtime(const Sources& from, NetConfig& out);

}  // namespace sluice::cni
