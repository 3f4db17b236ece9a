// SPDX-License-Identifier: Apache-2.0
#include "offload/eswitch/parser.h"

#include "offload/eswitch/bytes.h"
#include "offload/eswitch/key.h"

namespace sluice::eswitch {
namespace {

constexpr std::uint64_t kMacMask = 0xffffffffffffULL;

// What is read stays in registers until all of it is there.
struct Headers {
  Kind kind = Kind::kOther;
  std::uint16_t l3 = 0, l4 = 0;
  std::uint32_t l3_end = 0;
  Key key;
};

inline void parse_l4(Headers& h, const std::uint8_t* l4, std::uint8_t proto, std::uint32_t left) {
  if (proto == kProtoTcp && left >= kTcpMinLength) {
    const std::uint32_t header = (l4[12] >> 4U) * 4U;
    if (header < kTcpMinLength || header > left) return;
    h.kind = Kind::kTcp;
    h.key.word[0] |= key::kPorts | key::kTcp | std::uint64_t{l4[13]} << key::kTcpFlagsShift;
    h.key.word[2] |= load<std::uint32_t>(l4);
  } else if (proto == kProtoUdp && left >= kUdpLength) {
    h.kind = Kind::kUdp;
    h.key.word[0] |= key::kPorts;
    h.key.word[2] |= load<std::uint32_t>(l4);
    // Whether this is VXLAN depends on the port, which is the rule's to say. RFC 7348 section 5:
    // the I flag must be set; a fragment can't be decapsulated.
    if (left >= kUdpLength + kVxlanLength && (l4[8] & 0x08U) != 0 &&
        (h.key.word[0] & key::kFragment) == 0) {
      h.key.word[0] |= key::kVni;
      h.key.word[5] = load32(l4 + 12) >> 8U;
    }
  } else if (proto == kProtoIcmp && left >= kIcmpLength) {
    h.kind = Kind::kIcmp;
    h.key.word[0] |= key::kIcmp;
    h.key.word[2] |= load<std::uint16_t>(l4);
  }
}

inline void parse_ipv4(Headers& h, const Packet& p, std::uint32_t offset) {
  if (p.length - offset < kIpv4MinLength) return;
  const std::uint8_t* ip = p.data + offset;
  const std::uint32_t header = (ip[0] & 0x0fU) * 4U;
  const std::uint32_t total = load16(ip + 2);
  if (ip[0] >> 4U != 4 || header < kIpv4MinLength || total < header || total > p.length - offset) {
    return;
  }
  h.kind = Kind::kIpv4;
  h.l3 = static_cast<std::uint16_t>(offset);
  h.l4 = static_cast<std::uint16_t>(offset + header);
  h.l3_end = offset + total;
  const std::uint8_t proto = ip[9];
  const std::uint32_t fragment = load16(ip + 6) & 0x3fffU;  // MF and offset
  h.key.word[0] |= key::kIp | std::uint64_t{proto} << key::kProtoShift;
  h.key.word[1] = load<std::uint64_t>(ip + 12);
  if (fragment != 0) [[unlikely]] {
    h.key.word[0] |= key::kFragment;
    if ((fragment & 0x1fffU) != 0) {
      h.key.word[0] |= key::kLaterFragment;
      return;
    }
  }
  parse_l4(h, ip + header, proto, total - header);
}

inline void parse_ethernet(Headers& h, const Packet& p) {
  if (p.length < kEthLength || p.length > kMaxFrameLength) return;
  std::uint64_t destination = load<std::uint64_t>(p.data) & kMacMask;
  h.key.word[4] = load<std::uint64_t>(p.data + 6) & kMacMask;
  std::uint32_t offset = kEthLength;
  std::uint16_t type = load<std::uint16_t>(p.data + 12);
  if (type == be16(kEthTypeVlan) || type == be16(kEthTypeQinq)) [[unlikely]] {
    if (p.length >= kEthLength + kVlanTagLength) {
      destination |= std::uint64_t{load<std::uint16_t>(p.data + 14)} << 48U;
      h.key.word[0] |= key::kVlan;
      type = load<std::uint16_t>(p.data + 16);
      offset += kVlanTagLength;
    }
  }
  h.key.word[3] = destination;
  h.key.word[0] |= std::uint64_t{type} << key::kEthTypeShift;
  if (type == be16(kEthTypeIpv4)) [[likely]]
    parse_ipv4(h, p, offset);
}

inline void parse_one(Packet& p, std::uint32_t meta) {
  Headers h;
  h.key.word[0] = p.in_port;
  h.key.word[2] = std::uint64_t{meta} << key::kMetaShift;
  parse_ethernet(h, p);
  p.kind = h.kind;
  p.l3 = h.l3;
  p.l4 = h.l4;
  p.l3_end = h.l3_end;
  p.key = h.key;
}

}  // namespace

void parse(Packet& p, std::uint32_t meta) { parse_one(p, meta); }

void parse(Packet* packets, unsigned n) {
  for (unsigned i = 0; i < n; ++i) parse_one(packets[i], 0);
}

}  // namespace sluice::eswitch
