// SPDX-License-Identifier: Apache-2.0
#include "offload/eswitch/rewrite.h"

#include "common/base/hash.h"
#include "offload/eswitch/bytes.h"
#include "offload/eswitch/checksum.h"
#include "offload/eswitch/key.h"
#include "offload/eswitch/parser.h"

namespace sluice::eswitch {
namespace {

constexpr std::uint64_t kMacMask = 0xffffffffffffULL;

// In registers: a copy of six bytes into a word would be read back before its stores are through.
void set_mac(std::uint8_t* to, const std::uint8_t (&mac)[6], std::uint64_t& word) {
  const auto first = load<std::uint32_t>(mac);
  const auto last = load<std::uint16_t>(mac + 4);
  store(to, first);
  store(to + 4, last);
  word = (word & ~kMacMask) | first | std::uint64_t{last} << 32U;
}

void update_l4(Packet& p, std::uint64_t address_diff, std::uint64_t port_diff) {
  const std::uint32_t offset = p.kind == Kind::kTcp ? kTcpChecksumOffset : kUdpChecksumOffset;
  std::uint8_t* field = p.data + p.l4 + offset;
  const auto checksum = load<std::uint16_t>(field);
  if (p.offload.partial_checksum && p.offload.checksum_start == p.l4 &&
      p.offload.checksum_offset == offset) {
    // The field holds the pseudo-header's sum, not complemented; ports are no part of it.
    store(field, fold(checksum + address_diff));
    return;
  }
  if (p.kind == Kind::kUdp && checksum == 0) return;  // the sender made none
  std::uint16_t updated = update_checksum(checksum, address_diff + port_diff);
  if (p.kind == Kind::kUdp && updated == 0) updated = 0xffff;
  store(field, updated);
}

// A field is loaded whole once and kept in registers: a load of bytes that were just stored in
// pieces would wait for the stores to reach the cache.
void rewrite_ip(Packet& p, const Program& a) {
  std::uint8_t* ip = p.data + p.l3;
  std::uint64_t address_diff = 0;
  std::uint64_t ttl_diff = 0;
  std::uint64_t addresses = p.key.word[1];
  if ((a.flags & Program::kIpSrc) != 0) {
    address_diff += difference(static_cast<std::uint32_t>(addresses), a.ip_src);
    addresses = (addresses & ~0xffffffffULL) | a.ip_src;
  }
  if ((a.flags & Program::kIpDst) != 0) {
    address_diff += difference(static_cast<std::uint32_t>(addresses >> 32U), a.ip_dst);
    addresses = (addresses & 0xffffffffULL) | std::uint64_t{a.ip_dst} << 32U;
  }
  if ((a.flags & Program::kDecTtl) != 0) {
    // TTL and protocol are one word of the checksum; the TTL is its first byte.
    const auto before = load<std::uint16_t>(ip + 8);
    const auto after = static_cast<std::uint16_t>(before - be16(0x0100));
    store(ip + 8, after);
    ttl_diff = difference(before, after);
  }
  if ((address_diff | ttl_diff) != 0) {
    store(ip + 10, update_checksum(load<std::uint16_t>(ip + 10), address_diff + ttl_diff));
  }
  if (address_diff != 0) {
    store(ip + 12, addresses);
    p.key.word[1] = addresses;
  }
  if (p.kind != Kind::kTcp && p.kind != Kind::kUdp) return;
  auto ports = static_cast<std::uint32_t>(p.key.word[2]);
  std::uint64_t port_diff = 0;
  if ((a.flags & Program::kL4Src) != 0) {
    port_diff += difference(static_cast<std::uint16_t>(ports), a.l4_src);
    ports = (ports & 0xffff0000U) | a.l4_src;
  }
  if ((a.flags & Program::kL4Dst) != 0) {
    port_diff += difference(static_cast<std::uint16_t>(ports >> 16U), a.l4_dst);
    ports = (ports & 0xffffU) | std::uint32_t{a.l4_dst} << 16U;
  }
  if ((address_diff | port_diff) == 0) return;
  if (port_diff != 0) {
    store(p.data + p.l4, ports);
    p.key.word[2] = (p.key.word[2] & ~0xffffffffULL) | ports;
  }
  update_l4(p, address_diff, port_diff);
}

}  // namespace

bool rewrite(Packet& p, const Program& a) {
  if ((a.flags & Program::kDecap) != 0) [[unlikely]] {
    if (!decapsulate(p)) {
      p.verdict = Verdict::kPunt;
      p.out_port = p.in_port;
      return false;
    }
  }
  const bool has_ip = p.kind != Kind::kOther;
  if ((a.flags & Program::kDecTtl) != 0 && has_ip && p.data[p.l3 + 8U] <= 1) [[unlikely]] {
    p.verdict = Verdict::kPunt;
    p.out_port = p.in_port;
    p.ttl_expired = true;
    return false;
  }
  if ((a.flags & Program::kMeta) != 0) {
    const auto meta = static_cast<std::uint32_t>(p.key.word[2] >> key::kMetaShift);
    const std::uint64_t next = (meta & ~a.meta_mask) | a.meta;
    p.key.word[2] = (p.key.word[2] & 0xffffffffULL) | next << key::kMetaShift;
  }
  if ((a.flags & Program::kRewrites) == 0) return true;
  if (p.length < kEthLength) [[unlikely]]
    return true;
  if ((a.flags & Program::kEthDst) != 0) set_mac(p.data, a.eth_dst, p.key.word[3]);
  if ((a.flags & Program::kEthSrc) != 0) set_mac(p.data + 6, a.eth_src, p.key.word[4]);
  if (has_ip) rewrite_ip(p, a);
  return true;
}

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
