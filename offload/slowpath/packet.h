// SPDX-License-Identifier: Apache-2.0
// Reads and rewrites one IPv4 packet in place, every length checked before a byte is touched.
//
// Contract: a Packet is a view; the frame belongs to the caller and outlives it. Rewrites adjust
// checksums incrementally (RFC 1624), so a packet that came in broken stays broken.
// Source of rules that are not ours: RFC 791, 792, 768, 9293; RFC 1858 (tiny fragments).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/base/addr.h"
#include "offload/slowpath/connection.h"

namespace sluice::slowpath {

using Bytes = std::span<std::uint8_t>;
using ConstBytes = std::span<const std::uint8_t>;

inline constexpr std::size_t kEthHeader = 14;
inline constexpr std::uint16_t kEtherIpv4 = 0x0800, kEtherArp = 0x0806;
inline constexpr std::uint8_t kIpIcmp = 1, kIpTcp = 6, kIpUdp = 17;
inline constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kAck = 0x10;
inline constexpr std::uint8_t kEchoReply = 0, kUnreachable = 3, kEchoRequest = 8,
                              kTimeExceeded = 11, kParameterProblem = 12;

// Big-endian fields. Requires: at + width <= bytes.size().
std::uint16_t load16(ConstBytes bytes, std::size_t at);
std::uint32_t load32(ConstBytes bytes, std::size_t at);
void store16(Bytes bytes, std::size_t at, std::uint16_t value);
void store32(Bytes bytes, std::size_t at, std::uint32_t value);
MacAddr load_mac(ConstBytes bytes, std::size_t at);
void store_mac(Bytes bytes, std::size_t at, const MacAddr& mac);

// RFC 1071 over `bytes`, starting from a partial sum.
std::uint16_t checksum(ConstBytes bytes, std::uint32_t sum = 0);
// The sum of the pseudo header, for checksum().
std::uint32_t pseudo_sum(Ipv4 src, Ipv4 dst, std::uint8_t proto, std::size_t length);

struct Packet {
  Bytes frame;  // from the Ethernet header to the end of the IP packet (padding cut off)
  MacAddr eth_src, eth_dst;
  Ipv4 src, dst;
  std::size_t l4 = 0;  // offset of the L4 header in `frame`
  std::uint16_t ip_length = 0;
  std::uint16_t identification = 0;
  std::uint16_t fragment_offset = 0;  // in units of 8 bytes
  std::uint8_t proto = 0;
  std::uint8_t ttl = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  std::uint16_t src_port = 0, dst_port = 0;  // TCP and UDP
  std::uint8_t tcp_flags = 0;
  std::uint8_t icmp_type = 0;
  std::uint16_t icmp_id = 0;  // of an echo

  bool later_fragment() const { return fragment_offset != 0; }
  bool fragment() const { return more_fragments || fragment_offset != 0; }
  bool icmp_error() const {
    return proto == kIpIcmp && !later_fragment() &&
           (icmp_type == kUnreachable || icmp_type == kTimeExceeded ||
            icmp_type == kParameterProblem);
  }
  bool icmp_echo() const {
    return proto == kIpIcmp && !later_fragment() &&
           (icmp_type == kEchoRequest || icmp_type == kEchoReply);
  }
  // TCP's first packet: SYN and none of ACK, RST, FIN.
  bool opens() const {
    return proto == kIpTcp && (tcp_flags & (kSyn | kAck | kRst | kFin)) == kSyn;
  }
  Bytes ip() const { return frame.subspan(kEthHeader); }
};

// Nothing for whatever isn't a whole, consistent IPv4 packet.
std::optional<Packet> parse_ipv4(Bytes frame);

// TCP, UDP and ICMP echo that isn't a later fragment; nothing for all else.
std::optional<Tuple> tuple_of(const Packet& packet);

// The tuple of a packet that an ICMP error quotes: its IP header and at least 8 bytes behind it.
std::optional<Tuple> quoted_tuple(ConstBytes ip);

// Writes addresses and ports (an echo's identifier) with their checksums. `ip` starts at the IP
// header and may be a quotation that ends anywhere behind 8 bytes of L4; a later fragment has
// only its addresses written.
// Requires: quoted_tuple() or parse_ipv4() accepted these bytes.
void rewrite(Bytes ip, const Tuple& to);

// The IP header's addresses only: not for TCP and UDP, whose checksums cover them.
void rewrite_addresses(Bytes ip, Ipv4 src, Ipv4 dst);

// Requires: ttl > 0.
void decrement_ttl(Bytes ip);

// True for 0/8, 127/8 and everything from 224/4 up: multicast, reserved, broadcast.
bool is_no_host(Ipv4 ip);

}  // namespace sluice::slowpath
