// SPDX-License-Identifier: Apache-2.0
// What a PF's driver says of its VFs (IFLA_VFINFO_LIST), as values, and the pure function that
// reads it.
//
// Contract: an attribute that the kernel or the driver doesn't have, or that has another size than
// it should, is unset.
// Source: include/uapi/linux/if_link.h (IFLA_VF_*, struct ifla_vf_*).
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/netlink/message.h"

namespace sluice::netlink {

enum class VfLinkState : std::uint8_t { kAuto, kEnable, kDisable };

struct VfAttributes {
  std::optional<MacAddr> mac;         // administrative; zero: none
  std::optional<std::uint16_t> vlan;  // 0: none
  std::optional<std::uint8_t> qos;
  std::optional<std::uint16_t> vlan_protocol;  // ETH_P_8021Q, ETH_P_8021AD
  std::optional<bool> spoof_check, trust, rss_query;
  std::optional<VfLinkState> link_state;
  std::optional<std::uint32_t> min_rate_mbps, max_rate_mbps;  // 0: no limit
  bool operator==(const VfAttributes&) const = default;
};

using VfAttributesByIndex = std::map<std::uint16_t, VfAttributes>;

// Of an RTM_NEWLINK that answers RTEXT_FILTER_VF. A link without VFs: empty.
Result<VfAttributesByIndex> decode_vf_attributes(const Message& message);

}  // namespace sluice::netlink
