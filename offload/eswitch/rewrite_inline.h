// SPDX-License-Identifier: Apache-2.0
// The part of rewrite.h that every packet needs, to be compiled into the pipeline's loop.
//
// A field is loaded whole once and kept in registers: a load of bytes that were just stored in
// pieces would wait for the stores to reach the cache, and a store of bytes may, for all that the
// compiler knows, change any other variable.
#pragma once

#include <cstdint>

#include "offload/eswitch/bytes.h"
#include "offload/eswitch/checksum.h"
#include "offload/eswitch/key.h"
#include "offload/eswitch/rewrite.h"

namespace sluice::eswitch::inlined {

inline void set_mac(std::uint8_t* to, const std::uint8_t (&mac)[6], std::uint64_t& word) {
  constexpr std::uint64_t kMacMask = 0xffffffffffffULL;
  const auto first = load<std::uint32_t>(mac);
  const auto last = load<std::uint16_t>(mac + 4);
  store(to, first);
  store(to + 4, last);
  word = (word & ~kMacMask) | first | std::uint64_t{last} << 32U;
}

inline void update_l4(const Packet& p, std::uint8_t* l4, bool udp, std::uint64_t address_diff,
                      std::uint64_t port_diff) {
  const std::uint32_t offset = udp ? kUdpChecksumOffset : kTcpChecksumOffset;
  std::uint8_t* field = l4 + offset;
  const auto checksum = load<std::uint16_t>(field);
  if (p.offload.partial_checksum && p.offload.checksum_start == p.l4 &&
      p.offload.checksum_offset == offset) [[unlikely]] {
    // The field holds the pseudo-header's sum, not complemented; ports are no part of it.
    store(field, fold(checksum + address_diff));
    return;
  }
  if (udp && checksum == 0) [[unlikely]]
    return;  // the sender made none
  std::uint16_t updated = update_checksum(checksum, address_diff + port_diff);
  if (udp && updated == 0) updated = 0xffff;
  store(field, updated);
}

inline void rewrite_ip(Packet& p, const Program& a) {
  const unsigned flags = a.flags;
  std::uint8_t* ip = p.data + p.l3;
  std::uint8_t* l4 = p.data + p.l4;
  const Kind kind = p.kind;
  std::uint64_t address_diff = 0;
  std::uint64_t ttl_diff = 0;
  if ((flags & (Program::kIpSrc | Program::kIpDst)) != 0) {
    std::uint64_t addresses = p.key.word[1];
    if ((flags & Program::kIpSrc) != 0) {
      address_diff += difference(static_cast<std::uint32_t>(addresses), a.ip_src);
      addresses = (addresses & ~0xffffffffULL) | a.ip_src;
    }
    if ((flags & Program::kIpDst) != 0) {
      address_diff += difference(static_cast<std::uint32_t>(addresses >> 32U), a.ip_dst);
      addresses = (addresses & 0xffffffffULL) | std::uint64_t{a.ip_dst} << 32U;
    }
    store(ip + 12, addresses);
    p.key.word[1] = addresses;
  }
  if ((flags & Program::kDecTtl) != 0) {
    // TTL and protocol are one word of the checksum; the TTL is its first byte.
    const auto before = load<std::uint16_t>(ip + 8);
    const auto after = static_cast<std::uint16_t>(before - be16(0x0100));
    store(ip + 8, after);
    ttl_diff = difference(before, after);
  }
  // No difference: the sum stays, also of a packet that came with a wrong one.
  store(ip + 10, update_checksum(load<std::uint16_t>(ip + 10), address_diff + ttl_diff));
  if (kind != Kind::kTcp && kind != Kind::kUdp) return;
  std::uint64_t port_diff = 0;
  if ((flags & (Program::kL4Src | Program::kL4Dst)) != 0) {
    auto ports = static_cast<std::uint32_t>(p.key.word[2]);
    if ((flags & Program::kL4Src) != 0) {
      port_diff += difference(static_cast<std::uint16_t>(ports), a.l4_src);
      ports = (ports & 0xffff0000U) | a.l4_src;
    }
    if ((flags & Program::kL4Dst) != 0) {
      port_diff += difference(static_cast<std::uint16_t>(ports >> 16U), a.l4_dst);
      ports = (ports & 0xffffU) | std::uint32_t{a.l4_dst} << 16U;
    }
    store(l4, ports);
    p.key.word[2] = (p.key.word[2] & ~0xffffffffULL) | ports;
  }
  if ((address_diff | port_diff) == 0) return;
  update_l4(p, l4, kind == Kind::kUdp, address_diff, port_diff);
}

inline bool rewrite(Packet& p, const Program& a) {
  const unsigned flags = a.flags;
  if ((flags & Program::kDecap) != 0) [[unlikely]] {
    if (!decapsulate(p)) {
      p.verdict = Verdict::kPunt;
      p.out_port = p.in_port;
      return false;
    }
  }
  const bool has_ip = p.kind != Kind::kOther;
  if ((flags & Program::kDecTtl) != 0 && has_ip && p.data[p.l3 + 8U] <= 1) [[unlikely]] {
    p.verdict = Verdict::kPunt;
    p.out_port = p.in_port;
    p.ttl_expired = true;
    return false;
  }
  if ((flags & Program::kMeta) != 0) {
    const auto meta = static_cast<std::uint32_t>(p.key.word[2] >> key::kMetaShift);
    const std::uint64_t next = (meta & ~a.meta_mask) | a.meta;
    p.key.word[2] = (p.key.word[2] & 0xffffffffULL) | next << key::kMetaShift;
  }
  if ((flags & (Program::kEthDst | Program::kEthSrc)) != 0 && p.length >= kEthLength) {
    std::uint8_t* eth = p.data;
    if ((flags & Program::kEthDst) != 0) set_mac(eth, a.eth_dst, p.key.word[3]);
    if ((flags & Program::kEthSrc) != 0) set_mac(eth + 6, a.eth_src, p.key.word[4]);
  }
  if ((flags & Program::kIpRewrites) != 0 && has_ip) rewrite_ip(p, a);
  return true;
}

}  // namespace sluice::eswitch::inlined
