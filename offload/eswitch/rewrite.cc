// SPDX-License-Identifier: Apache-2.0
#include "offload/eswitch/rewrite.h"

#include "common/base/hash.h"
#include "offload/eswitch/parser.h"
#include "offload/eswitch/rewrite_inline.h"

namespace sluice::eswitch {

bool rewrite(Packet& p, const Program& a) { return inlined::rewrite(p, a); }

bool decapsulate(Packet& p) {
  if ((p.key.word[0] & key::kVni) == 0) return false;
  const std::uint32_t outer = p.l4 + kUdpLength + kVxlanLength;
  const std::uint32_t udp_length = load16(p.data + p.l4 + 4);
  if (udp_length < kUdpLength + kVxlanLength + kEthLength || p.l4 + udp_length > p.l3_end) {
    return false;
  }
  // Offloads of the inner frame stay, those of the outer one end with it. A super-frame of outer
  // UDP datagrams would be several packets in one: nobody may send that here.
  const bool inner = p.offload.checksum_start >= outer;
  if (p.offload.gso != Gso::kNone && !inner) return false;
  if (p.offload.partial_checksum && inner) {
    p.offload.checksum_start = static_cast<std::uint16_t>(p.offload.checksum_start - outer);
  } else {
    p.offload = Offload{};
  }
  const auto meta = static_cast<std::uint32_t>(p.key.word[2] >> key::kMetaShift);
  const std::uint32_t length = udp_length - kUdpLength - kVxlanLength;
  p.data += outer;
  p.headroom += outer;
  p.length = length;
  parse(p, meta);
  return true;
}

std::uint16_t tunnel_source_port(const Packet& p) {
  const std::uint64_t ports =
      p.kind == Kind::kTcp || p.kind == Kind::kUdp ? load<std::uint32_t>(p.data + p.l4) : 0;
  const std::uint64_t h = mix64(p.key.word[1] ^ mix64(ports ^ (p.key.word[0] & 0xff00000000ULL)));
  return static_cast<std::uint16_t>(0xc000U | (h & 0x3fffU));
}

bool encapsulate(Packet& p, const Encap& encap, std::uint16_t source_port, std::uint16_t ip_id) {
  if (p.headroom < Encap::kLength || p.length > 65535 - (Encap::kLength - kEthLength)) return false;
  p.data -= Encap::kLength;
  p.headroom -= Encap::kLength;
  p.length += Encap::kLength;
  std::memcpy(p.data, encap.header, Encap::kLength);
  std::uint8_t* ip = p.data + kEthLength;
  store16(ip + 2, p.length - kEthLength);
  store16(ip + 4, ip_id);
  write_ipv4_checksum(ip, kIpv4MinLength);
  std::uint8_t* udp = ip + kIpv4MinLength;
  store16(udp, source_port);
  store16(udp + 4, p.length - kEthLength - kIpv4MinLength);
  return true;
}

}  // namespace sluice::eswitch
