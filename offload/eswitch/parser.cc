// SPDX-License-Identifier: Apache-2.0
#include "offload/eswitch/parser.h"

#include "offload/eswitch/bytes.h"
#include "offload/eswitch/key.h"

namespace sluice::eswitch {
namespace {

constexpr std::uint64_t kMacMask = 0xffffffffffffULL;

void parse_l4(Packet& p, std::uint8_t proto, std::uint32_t left) {
  const std::uint8_t* l4 = p.data + p.l4;
  if (proto == kProtoTcp && left >= kTcpMinLength) {
    const std::uint32_t header = (l4[12] >> 4U) * 4U;
    if (header < kTcpMinLength || header > left) return;
    p.kind = Kind::kTcp;
    p.key.word[0] |= key::kPorts | key::kTcp | std::uint64_t{l4[13]} << key::kTcpFlagsShift;
    p.key.word[2] |= load<std::uint32_t>(l4);
  } else if (proto == kProtoUdp && left >= kUdpLength) {
    p.kind = Kind::kUdp;
    p.key.word[0] |= key::kPorts;
    p.key.word[2] |= load<std::uint32_t>(l4);
    // Whether this is VXLAN depends on the port, which is the rule's to say. RFC 7348 section 5:
    // the I flag must be set; a fragment can't be decapsulated.
    if (left >= kUdpLength + kVxlanLength && (l4[8] & 0x08U) != 0 &&
        (p.key.word[0] & key::kFragment) == 0) {
      p.key.word[0] |= key::kVni;
      p.key.word[5] = load32(l4 + 12) >> 8U;
    }
  } else if (proto == kProtoIcmp && left >= kIcmpLength) {
    p.kind = Kind::kIcmp;
    p.key.word[0] |= key::kIcmp;
    p.key.word[2] |= load<std::uint16_t>(l4);
  }
}

void parse_ipv4(Packet& p, std::uint32_t offset) {
  if (p.length - offset < kIpv4MinLength) return;
  const std::uint8_t* ip = p.data + offset;
  const std::uint32_t header = (ip[0] & 0x0fU) * 4U;
  const std::uint32_t total = load16(ip + 2);
  if (ip[0] >> 4U != 4 || header < kIpv4MinLength || total < header || total > p.length - offset) {
    return;
  }
  p.kind = Kind::kIpv4;
  p.l3 = static_cast<std::uint16_t>(offset);
  p.l4 = static_cast<std::uint16_t>(offset + header);
  p.l3_end = offset + total;
  const std::uint8_t proto = ip[9];
  const std::uint32_t fragment = load16(ip + 6) & 0x3fffU;  // MF and offset
  p.key.word[0] |= key::kIp | std::uint64_t{proto} << key::kProtoShift;
  p.key.word[1] = load<std::uint64_t>(ip + 12);
  if (fragment != 0) [[unlikely]] {
    p.key.word[0] |= key::kFragment;
    if ((fragment & 0x1fffU) != 0) {
      p.key.word[0] |= key::kLaterFragment;
      return;
    }
  }
  parse_l4(p, proto, total - header);
}

}  // namespace

void parse(Packet& p, std::uint32_t meta) {
  p.kind = Kind::kOther;
  p.l3 = p.l4 = 0;
  p.l3_end = 0;
  p.key = Key{};
  p.key.word[0] = p.in_port;
  p.key.word[2] = std::uint64_t{meta} << key::kMetaShift;
  if (p.length < kEthLength || p.length > kMaxFrameLength) return;

  std::uint64_t destination = load<std::uint64_t>(p.data) & kMacMask;
  p.key.word[4] = load<std::uint64_t>(p.data + 6) & kMacMask;
  std::uint32_t offset = kEthLength;
  std::uint16_t type = load<std::uint16_t>(p.data + 12);
  if (type == be16(kEthTypeVlan) || type == be16(kEthTypeQinq)) [[unlikely]] {
    if (p.length >= kEthLength + kVlanTagLength) {
      destination |= std::uint64_t{load<std::uint16_t>(p.data + 14)} << 48U;
      p.key.word[0] |= key::kVlan;
      type = load<std::uint16_t>(p.data + 16);
      offset += kVlanTagLength;
    }
  }
  p.key.word[3] = destination;
  p.key.word[0] |= std::uint64_t{type} << key::kEthTypeShift;
  if (type == be16(kEthTypeIpv4)) [[likely]]
    parse_ipv4(p, offset);
}

}  // namespace sluice::eswitch
