// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/packet.h"

#include <algorithm>

namespace sluice::slowpath {
namespace {

constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kIpTtl = 8, kIpProto = 9, kIpChecksum = 10, kIpSrc = 12, kIpDst = 16;
constexpr std::size_t kIcmpChecksum = 2, kIcmpId = 4, kUdpChecksum = 6, kTcpChecksum = 16;

// RFC 1624 equation 3: HC' = ~(~HC + ~m + m').
void adjust(Bytes bytes, std::size_t at, std::uint16_t before, std::uint16_t after) {
  std::uint32_t sum = static_cast<std::uint16_t>(~load16(bytes, at));
  sum += static_cast<std::uint16_t>(~before);
  sum += after;
  sum = (sum & 0xffffU) + (sum >> 16U);
  sum = (sum & 0xffffU) + (sum >> 16U);
  store16(bytes, at, static_cast<std::uint16_t>(~sum));
}

void adjust32(Bytes bytes, std::size_t at, std::uint32_t before, std::uint32_t after) {
  adjust(bytes, at, static_cast<std::uint16_t>(before >> 16U),
         static_cast<std::uint16_t>(after >> 16U));
  adjust(bytes, at, static_cast<std::uint16_t>(before), static_cast<std::uint16_t>(after));
}

bool parse_l4(Packet& packet) {
  const auto l4 = ConstBytes(packet.frame).subspan(packet.l4);
  if (packet.proto == kIpTcp) {
    if (l4.size() < 20) return false;
    const std::size_t header = static_cast<std::size_t>(l4[12] >> 4U) * 4;
    if (header < 20 || header > l4.size()) return false;
    packet.tcp_flags = l4[13];
  } else if (packet.proto == kIpUdp) {
    if (l4.size() < 8) return false;
    const std::size_t length = load16(l4, 4);
    if (length < 8 || (!packet.more_fragments && length > l4.size())) return false;
  } else if (packet.proto == kIpIcmp) {
    if (l4.size() < 8) return false;
    packet.icmp_type = l4[0];
    packet.icmp_id = load16(l4, kIcmpId);
    return true;
  } else {
    return true;
  }
  packet.src_port = load16(l4, 0);
  packet.dst_port = load16(l4, 2);
  return packet.src_port != 0 && packet.dst_port != 0;
}

std::optional<Tuple> echo_tuple(Ipv4 src, Ipv4 dst, std::uint8_t type, std::uint16_t id) {
  if (type == kEchoRequest) return Tuple{src, dst, id, 0, kIpIcmp, {}};
  if (type == kEchoReply) return Tuple{src, dst, 0, id, kIpIcmp, {}};
  return std::nullopt;
}

}  // namespace

std::uint16_t load16(ConstBytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
}
std::uint32_t load32(ConstBytes bytes, std::size_t at) {
  return static_cast<std::uint32_t>(load16(bytes, at)) << 16U | load16(bytes, at + 2);
}
void store16(Bytes bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8U);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}
void store32(Bytes bytes, std::size_t at, std::uint32_t value) {
  store16(bytes, at, static_cast<std::uint16_t>(value >> 16U));
  store16(bytes, at + 2, static_cast<std::uint16_t>(value));
}
MacAddr load_mac(ConstBytes bytes, std::size_t at) {
  MacAddr mac;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 6, mac.bytes.begin());
  return mac;
}
void store_mac(Bytes bytes, std::size_t at, const MacAddr& mac) {
  std::copy(mac.bytes.begin(), mac.bytes.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

std::uint16_t checksum(ConstBytes bytes, std::uint32_t sum) {
  std::uint64_t total = sum;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) total += load16(bytes, i);
  if (bytes.size() % 2 == 1) total += static_cast<std::uint32_t>(bytes.back()) << 8U;
  while ((total >> 16U) != 0) total = (total & 0xffffU) + (total >> 16U);
  return static_cast<std::uint16_t>(~total);
}

std::uint32_t pseudo_sum(Ipv4 src, Ipv4 dst, std::uint8_t proto, std::size_t length) {
  return (src.value >> 16U) + (src.value & 0xffffU) + (dst.value >> 16U) + (dst.value & 0xffffU) +
         proto + static_cast<std::uint32_t>(length);
}

std::optional<Packet> parse_ipv4(Bytes frame) {
  if (frame.size() < kEthHeader + kIpHeader || load16(frame, 12) != kEtherIpv4) return std::nullopt;
  const ConstBytes ip = frame.subspan(kEthHeader);
  const std::size_t header = static_cast<std::size_t>(ip[0] & 0x0fU) * 4;
  const std::uint16_t length = load16(ip, 2);
  if ((ip[0] >> 4U) != 4 || header < kIpHeader || length < header || length > ip.size()) {
    return std::nullopt;
  }
  Packet packet;
  packet.frame = frame.first(kEthHeader + length);
  packet.eth_dst = load_mac(frame, 0);
  packet.eth_src = load_mac(frame, 6);
  packet.src = Ipv4{load32(ip, kIpSrc)};
  packet.dst = Ipv4{load32(ip, kIpDst)};
  packet.l4 = kEthHeader + header;
  packet.ip_length = length;
  packet.identification = load16(ip, 4);
  const std::uint16_t fragment = load16(ip, 6);
  packet.dont_fragment = (fragment & 0x4000U) != 0;
  packet.more_fragments = (fragment & 0x2000U) != 0;
  packet.fragment_offset = fragment & 0x1fffU;
  packet.proto = ip[kIpProto];
  packet.ttl = ip[kIpTtl];
  if (packet.later_fragment()) {
    // RFC 1858: offset 1 could rewrite the flags of a TCP header that was already looked at.
    if (packet.proto == kIpTcp && packet.fragment_offset == 1) return std::nullopt;
    return packet;
  }
  if (!parse_l4(packet)) return std::nullopt;
  return packet;
}

std::optional<Tuple> tuple_of(const Packet& packet) {
  if (packet.later_fragment()) return std::nullopt;
  if (packet.proto == kIpTcp || packet.proto == kIpUdp) {
    return Tuple{packet.src, packet.dst, packet.src_port, packet.dst_port, packet.proto, {}};
  }
  if (packet.proto == kIpIcmp && !packet.more_fragments) {
    return echo_tuple(packet.src, packet.dst, packet.icmp_type, packet.icmp_id);
  }
  return std::nullopt;
}

std::optional<Tuple> quoted_tuple(ConstBytes ip) {
  if (ip.size() < kIpHeader + 8) return std::nullopt;
  const std::size_t header = static_cast<std::size_t>(ip[0] & 0x0fU) * 4;
  if ((ip[0] >> 4U) != 4 || header < kIpHeader || ip.size() < header + 8) return std::nullopt;
  if ((load16(ip, 6) & 0x1fffU) != 0) return std::nullopt;
  const Ipv4 src{load32(ip, kIpSrc)};
  const Ipv4 dst{load32(ip, kIpDst)};
  const auto l4 = ip.subspan(header);
  const std::uint8_t proto = ip[kIpProto];
  if (proto == kIpIcmp) return echo_tuple(src, dst, l4[0], load16(l4, kIcmpId));
  if (proto != kIpTcp && proto != kIpUdp) return std::nullopt;
  return Tuple{src, dst, load16(l4, 0), load16(l4, 2), proto, {}};
}

void rewrite_addresses(Bytes ip, Ipv4 src, Ipv4 dst) {
  adjust32(ip, kIpChecksum, load32(ip, kIpSrc), src.value);
  adjust32(ip, kIpChecksum, load32(ip, kIpDst), dst.value);
  store32(ip, kIpSrc, src.value);
  store32(ip, kIpDst, dst.value);
}

void rewrite(Bytes ip, const Tuple& to) {
  const std::uint32_t src = load32(ip, kIpSrc);
  const std::uint32_t dst = load32(ip, kIpDst);
  rewrite_addresses(ip, to.src, to.dst);
  if ((load16(ip, 6) & 0x1fffU) != 0) return;

  const Bytes l4 = ip.subspan(static_cast<std::size_t>(ip[0] & 0x0fU) * 4);
  const std::uint8_t proto = ip[kIpProto];
  if (proto == kIpIcmp) {
    const std::uint16_t id = l4[0] == kEchoRequest ? to.src_port : to.dst_port;
    adjust(l4, kIcmpChecksum, load16(l4, kIcmpId), id);
    store16(l4, kIcmpId, id);
    return;
  }
  if (proto != kIpTcp && proto != kIpUdp) return;
  const std::size_t field = proto == kIpTcp ? kTcpChecksum : kUdpChecksum;
  // A quotation may end before TCP's checksum; UDP's may be absent (0, RFC 768).
  const bool present = l4.size() >= field + 2 && (proto == kIpTcp || load16(l4, field) != 0);
  if (present) {
    adjust32(l4, field, src, to.src.value);
    adjust32(l4, field, dst, to.dst.value);
    adjust(l4, field, load16(l4, 0), to.src_port);
    adjust(l4, field, load16(l4, 2), to.dst_port);
    if (proto == kIpUdp && load16(l4, field) == 0) store16(l4, field, 0xffff);
  }
  store16(l4, 0, to.src_port);
  store16(l4, 2, to.dst_port);
}

void decrement_ttl(Bytes ip) {
  const std::uint16_t before = load16(ip, kIpTtl);
  --ip[kIpTtl];
  adjust(ip, kIpChecksum, before, load16(ip, kIpTtl));
}

bool is_no_host(Ipv4 ip) {
  const std::uint32_t top = ip.value >> 24U;
  return top == 0 || top == 127 || top >= 224;
}

}  // namespace sluice::slowpath
