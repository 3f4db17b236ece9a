// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/refusals.h"

#include <algorithm>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/ipam/built_in.h"
#include "sriov-cni/ipam/delegate.h"

namespace sluice::cni {
namespace {

constexpr const char* kIsVeth = ": the pod has none of the network's VFs and gets a veth, ";

Status needs_vf(int code, const std::string& key, const std::string& why) {
  return cni_fail(code, key + kIsVeth + why);
}

std::string keys_left_out(const VfWish& wish) {
  const auto& attributes = wish.attributes;
  std::string out;
  const auto add = [&](bool is_set, const char* key) {
    if (is_set) out += (out.empty() ? "" : ", ") + std::string(key);
  };
  add(attributes.spoof_check.has_value(), "spoofchk");
  add(attributes.trust.has_value(), "trust");
  add(attributes.link_state.has_value(), "link_state");
  add(attributes.min_rate_mbps.value_or(0) != 0, "minRate");
  add(wish.promiscuous.has_value(), "promisc");
  add(wish.all_multicast.has_value(), "allmulti");
  return out;
}

bool is_below(const IpPrefix& block, const AddressRange& range) {
  return block.contains(range.first) && block.contains(range.last);
}

}  // namespace

Status check_engine_wishes(const NetConfig& config) {
  if (config.engine == EngineUse::kNever) return {};
  const bool tagged = config.vf.attributes.vlan.value_or(0) != 0;
  if (!tagged && config.vf.trunk.empty()) return {};
  return cni_fail(kUnsupportedField,
                  (tagged ? "vlan is " + std::to_string(*config.vf.attributes.vlan)
                          : std::string("trunk is set")) +
                      "; a network with the offload engine can't have VLANs yet, one with offload "
                      "'never' can");
}

Status check_veth_wishes(const NetConfig& config, const Logger& log) {
  const auto& wish = config.vf;
  const auto& attributes = wish.attributes;
  if (const auto rate = attributes.max_rate_mbps.value_or(0); rate != 0) {
    return needs_vf(kUnsupportedField, "bandwidth (maxRate, max_tx_rate)",
                    "which can't be held to " + std::to_string(rate) + " Mbit/s");
  }
  if (attributes.node_guid || attributes.port_guid) {
    return needs_vf(kUnsupportedField, "infinibandGUID", "which has no GUID");
  }
  if (wish.pkey) return needs_vf(kInvalidConfig, "pkey", "which is in no partition");
  if (wish.rdma == RdmaUse::kShared || wish.rdma == RdmaUse::kExclusive) {
    return needs_vf(kInvalidConfig, "rdma", "which has no RDMA device; allowed are off, auto");
  }
  if (wish.user_space_only) {
    return needs_vf(kInvalidConfig, "vfioPciMode", "which no driver of user space can have");
  }
  const auto left_out = keys_left_out(wish);
  if (left_out.empty()) return {};
  log.info("the pod gets a veth, which has none of these", {{"keys", left_out}});
  return {};
}

Status check_ipam_plugin(const NetConfig& config, const Invocation& call) {
  if (config.ipam != IpamKind::kDelegate) return {};
  if (find_plugin(config.ipam_type, call.plugin_path)) return {};
  return cni_fail(kInvalidConfig, "ipam.type is '" + config.ipam_type.substr(0, 200) +
                                      "'; there is no such plugin in an absolute folder of "
                                      "CNI_PATH '" +
                                      call.plugin_path.substr(0, 200) + "'");
}

Status check_pool(const IpamSource& source, const NodeFacts& facts) {
  if (source.kind != IpamKind::kPool) return {};
  SLUICE_TRY(const auto pool, load_pool(source));
  const auto set = std::find_if(pool.sets.begin(), pool.sets.end(), [](const RangeSet& each) {
    return !each.empty() && !each.front().first.v6;
  });
  if (set == pool.sets.end()) {
    return cni_fail(kInvalidConfig, "ipam: pool " + pool.name +
                                        " has no IPv4 range on this node; the offload engine knows "
                                        "pods by their IPv4 address");
  }
  const IpPrefix block{IpAddr::from(facts.pod_block.address), facts.pod_block.length};
  for (const auto& range : *set) {
    if (is_below(block, range)) continue;
    return cni_fail(kInvalidConfig, "ipam: range " + to_string(RangeSet{range}) + " of pool " +
                                        pool.name + " isn't in the pod block of node " +
                                        facts.node + ", " + block.to_string() +
                                        ", and the offload engine takes no other addresses");
  }
  return {};
}

}  // namespace sluice::cni
