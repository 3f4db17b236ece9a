// SPDX-License-Identifier: Apache-2.0
// Values of a configuration that people write in several ways.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/base/addr.h"
#include "common/base/ip.h"
#include "sriov-cni/config/vf_wish.h"

namespace sluice::cni {

// "02:00:00:aa:bb:cc", "02-00-00-aa-bb-cc", "0200.00aa.bbcc"; one that a port can have: neither
// zero nor multicast.
std::optional<MacAddr> parse_port_mac(std::string_view text);

// "00:11:22:33:44:55:66:77", not zero.
std::optional<std::uint64_t> parse_guid(std::string_view text);

// "500Mbit", "2.5 Gbit/s", "1Gbps", "500" (Mbit/s): units k, M, G, T of bits, in either case. Only
// whole Mbit/s, as drivers know no others. "bps" is bits per second.
std::optional<std::uint32_t> parse_mbps(std::string_view text);

// "0x8001", "32769": a P_Key but for the invalid ones (low 15 bits zero).
std::optional<std::uint16_t> parse_pkey(std::string_view text);

// "100", "100-110".
std::optional<VlanRange> parse_vlan_range(std::string_view text);
// Sorted; what overlaps or touches is made one.
std::vector<VlanRange> merge_ranges(std::vector<VlanRange> ranges);

// "10.0.0.5/24"; without a length it is the whole address ("10.0.0.5/32").
std::optional<IpPrefix> parse_address(std::string_view text);

}  // namespace sluice::cni
