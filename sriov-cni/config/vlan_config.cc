// SPDX-License-Identifier: Apache-2.0
#include <linux/if_ether.h>

#include <nlohmann/json.hpp>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/config_parts.h"
#include "sriov-cni/config/values.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxTrunk = 4094;
constexpr std::array<std::string_view, 2> kProtocols = {"802.1q", "802.1ad"};

// id, minID and maxID of one object; either way of writing, or both.
Status read_trunk_object(const Section& entry, std::vector<VlanRange>& out) {
  std::optional<std::uint16_t> id, first, last;
  SLUICE_CHECK_OK(entry.number("id", 1, 4094, id));
  SLUICE_CHECK_OK(entry.number("minID", 1, 4094, first));
  SLUICE_CHECK_OK(entry.number("maxID", 1, 4094, last));
  if (first.has_value() != last.has_value()) {
    return entry.bad(first ? "maxID" : "minID", "minID and maxID belong together");
  }
  if (!id && !first) return entry.bad("id", "needed is id, or minID and maxID");
  if (first && *first > *last) {
    return entry.bad("minID", "allowed is at most maxID, " + std::to_string(*last));
  }
  if (id) out.push_back({*id, *id});
  if (first) out.push_back({*first, *last});
  return {};
}

Status read_trunk(const Section& config, std::vector<VlanRange>& out) {
  SLUICE_TRY(const auto* list, config.list("trunk", kMaxTrunk));
  if (list == nullptr) return {};
  std::vector<VlanRange> ranges;
  std::size_t index = 0;
  for (const auto& entry : *list) {
    const auto name = "trunk[" + std::to_string(index++) + "]";
    if (entry.is_object()) {
      SLUICE_CHECK_OK(read_trunk_object(Section(entry, name), ranges));
      continue;
    }
    std::optional<VlanRange> range;
    if (entry.is_string()) range = parse_vlan_range(entry.get_ref<const std::string&>());
    if (entry.is_number_unsigned()) range = parse_vlan_range(entry.dump());
    if (!range) {
      return cni_fail(kInvalidConfig, name + " is " + shown(entry) +
                                          "; allowed are VLAN ids from 1 to 4094, \"100-110\", "
                                          "{\"id\"} and {\"minID\", \"maxID\"}");
    }
    ranges.push_back(*range);
  }
  out = merge_ranges(std::move(ranges));
  return {};
}

}  // namespace

Status read_vlan(const Section& config, VfWish& out) {
  auto& to = out.attributes;
  std::optional<std::uint16_t> protocol;  // its place in kProtocols
  SLUICE_CHECK_OK(config.number("vlan", 0, 4094, to.vlan));
  SLUICE_CHECK_OK(config.number("vlanQoS", 0, 7, to.qos));
  SLUICE_CHECK_OK(config.choice("vlanProto", kProtocols, protocol));
  SLUICE_CHECK_OK(read_trunk(config, out.trunk));
  if (!to.vlan) {
    if (to.qos) return config.bad("vlanQoS", "allowed only with vlan, which is missing");
    if (protocol) return config.bad("vlanProto", "allowed only with vlan, which is missing");
    return {};
  }
  if (*to.vlan == 0 && to.qos.value_or(0) != 0) {
    return config.bad("vlanQoS", "allowed with vlan 0 is 0 only");
  }
  if (*to.vlan == 0 && protocol == 1) {
    return config.bad("vlanProto", "allowed with vlan 0 is 802.1q only");
  }
  if (*to.vlan != 0 && !out.trunk.empty()) {
    return config.bad("vlan", "with a trunk it must be 0 or missing");
  }
  to.qos = to.qos.value_or(0);
  to.vlan_protocol = protocol == 1 ? ETH_P_8021AD : ETH_P_8021Q;
  return {};
}

}  // namespace sluice::cni
