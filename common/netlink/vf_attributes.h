// SPDX-License-Identifier: Apache-2.0
// What a PF's driver says of its VFs and takes for them (IFLA_VFINFO_LIST), as values, and the pure
// functions that read and write it.
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
  // InfiniBand's, by drivers that tell them. 0: none.
  std::optional<std::uint64_t> node_guid, port_guid;
  bool operator==(const VfAttributes&) const = default;
};

using VfAttributesByIndex = std::map<std::uint16_t, VfAttributes>;

// Of an RTM_NEWLINK that answers RTEXT_FILTER_VF. A link without VFs: empty.
Result<VfAttributesByIndex> decode_vf_attributes(const Message& message);

// What of `wish` isn't so `now`; what goes together (VLAN, priority and protocol; the rates) stays
// together. Whoever gives a VF back needs it: drivers tell attributes that they refuse to take
// (igb: the link state), and a refusal costs those behind it.
VfAttributes changes(const VfAttributes& now, const VfAttributes& wish);

// One IFLA_VF_INFO with all that is set in `wish`. Code::kInvalid: a value that no VF can have, or
// a priority or protocol without the VLAN that it is of.
Status put_vf_attributes(MessageWriter& message, std::uint16_t vf, const VfAttributes& wish);

}  // namespace sluice::netlink
