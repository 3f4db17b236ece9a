// SPDX-License-Identifier: Apache-2.0
#include "offload/eswitch/key.h"

#include "offload/eswitch/bytes.h"

namespace sluice::eswitch {
namespace {

std::uint64_t mac_word(const MacAddr& mac) {
  std::uint64_t v = 0;
  std::memcpy(&v, mac.bytes.data(), mac.bytes.size());
  return v;
}

// Bits of word 0 that must be set because of what else is matched.
std::uint64_t implied(const Fields& mask) {
  std::uint64_t flags = 0;
  if (mask.ip_src != 0 || mask.ip_dst != 0 || mask.proto != 0 || mask.is_fragment ||
      mask.is_later_fragment || mask.is_ipv4) {
    flags |= key::kIp;
  }
  if (mask.l4_src != 0 || mask.l4_dst != 0) flags |= key::kIp | key::kPorts;
  if (mask.tcp_flags != 0) flags |= key::kIp | key::kPorts | key::kTcp;
  if (mask.icmp_type != 0 || mask.icmp_code != 0) flags |= key::kIp | key::kIcmp;
  if (mask.vni != 0 || mask.is_tunnel) flags |= key::kIp | key::kPorts | key::kVni;
  if (mask.vlan_tci != 0 || mask.is_tagged) flags |= key::kVlan;
  return flags;
}

Key pack_fields(const Fields& f) {
  Key k;
  k.word[0] = std::uint64_t{f.in_port} | std::uint64_t{be16(f.eth_type)} << key::kEthTypeShift |
              std::uint64_t{f.proto} << key::kProtoShift |
              std::uint64_t{f.tcp_flags} << key::kTcpFlagsShift |
              (f.is_fragment ? key::kFragment : 0) |
              (f.is_later_fragment ? key::kLaterFragment : 0);
  k.word[1] = std::uint64_t{be32(f.ip_src)} | std::uint64_t{be32(f.ip_dst)} << 32U;
  const std::uint32_t icmp = std::uint32_t{f.icmp_type} | std::uint32_t{f.icmp_code} << 8U;
  k.word[2] = std::uint64_t{be16(f.l4_src)} | icmp | std::uint64_t{be16(f.l4_dst)} << 16U |
              std::uint64_t{f.meta} << key::kMetaShift;
  k.word[3] = mac_word(f.eth_dst) | std::uint64_t{be16(f.vlan_tci)} << 48U;
  k.word[4] = mac_word(f.eth_src);
  k.word[5] = f.vni & 0xffffffU;
  return k;
}

}  // namespace

Result<PackedMatch> pack(const Match& match) {
  const std::uint64_t flags = implied(match.mask);
  if ((flags & key::kIcmp) != 0 && (flags & key::kPorts) != 0) {
    return fail(Code::kInvalid, "a match has ICMP fields and TCP/UDP fields: no packet has both");
  }
  const bool untagged = match.mask.is_tagged && !match.value.is_tagged;
  if (untagged && match.mask.vlan_tci != 0) {
    return fail(Code::kInvalid, "a match has a VLAN TCI and no VLAN tag: no packet has both");
  }
  PackedMatch out{pack_fields(match.value), pack_fields(match.mask)};
  out.mask.word[0] |= flags;
  out.value.word[0] |= untagged ? flags & ~key::kVlan : flags;
  for (unsigned i = 0; i < kKeyWords; ++i) out.value.word[i] &= out.mask.word[i];
  return out;
}

}  // namespace sluice::eswitch
