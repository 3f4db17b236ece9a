// SPDX-License-Identifier: Apache-2.0
// What a rule can match: fields with masks, and how they are packed into the words of a Key.
//
// Contract: all bits that a mask has set must be equal in packet and rule. A match on an IP field
// implies IPv4; on ports, TCP or UDP and not a fragment behind the first; on tcp_flags, TCP; on
// ICMP fields, ICMP; on vni, a UDP packet that carries a VXLAN header (the rule names the UDP
// port).
#pragma once

#include <bit>
#include <cstdint>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "offload/eswitch/packet.h"

namespace sluice::eswitch {

// Host order throughout. As a mask, each field's bits say which of it count.
struct Fields {
  std::uint16_t in_port = 0;
  MacAddr eth_src, eth_dst;
  std::uint16_t eth_type = 0;  // behind a VLAN tag, if there is one
  std::uint16_t vlan_tci = 0;  // a mask here implies that there is a tag
  std::uint32_t ip_src = 0, ip_dst = 0;
  std::uint8_t proto = 0;
  std::uint16_t l4_src = 0, l4_dst = 0;
  std::uint8_t icmp_type = 0, icmp_code = 0;
  std::uint8_t tcp_flags = 0;
  std::uint32_t meta = 0;
  std::uint32_t vni = 0;     // 24 bits
  bool is_fragment = false;  // any fragment, the first too
  bool is_later_fragment = false;
  bool is_ipv4 = false, is_tunnel = false;  // where no other field implies it
  bool is_tagged = false;                   // as is_ipv4; masked but false: without a VLAN tag
  bool operator==(const Fields&) const = default;
};

struct Match {
  Fields value, mask;
  bool operator==(const Match&) const = default;
};

struct PackedMatch {
  Key value, mask;  // value has no bit that mask has not
};

// Errors: kInvalid for masks that no packet can ever satisfy (ports and ICMP fields together).
Result<PackedMatch> pack(const Match& match);

// The layout, shared with the parser and the rewriting. Multi-byte fields are as they lie in the
// frame, loaded as one word: which half is which is said for little-endian machines.
namespace key {
static_assert(std::endian::native == std::endian::little, "the key's layout is little-endian");
// word 0: in_port 0-15, EtherType 16-31, protocol 32-39, TCP flags 40-47, flags 48-63
inline constexpr unsigned kEthTypeShift = 16, kProtoShift = 32, kTcpFlagsShift = 40;
inline constexpr std::uint64_t kIp = 1ULL << 48U;     // IPv4 header is whole and sane
inline constexpr std::uint64_t kPorts = 1ULL << 49U;  // TCP or UDP header is there
inline constexpr std::uint64_t kIcmp = 1ULL << 50U;   // ICMP header is there
inline constexpr std::uint64_t kTcp = 1ULL << 51U;
inline constexpr std::uint64_t kFragment = 1ULL << 52U;
inline constexpr std::uint64_t kLaterFragment = 1ULL << 53U;
inline constexpr std::uint64_t kVlan = 1ULL << 54U;
inline constexpr std::uint64_t kVni = 1ULL << 55U;
// word 1: source address 0-31, destination address 32-63
// word 2: source port or ICMP type and code 0-15, destination port 16-31, meta 32-63 (host order)
inline constexpr unsigned kMetaShift = 32;
// word 3: destination MAC 0-47, VLAN TCI 48-63
// word 4: source MAC 0-47
// word 5: VNI 0-23 (host order)
}  // namespace key

}  // namespace sluice::eswitch
