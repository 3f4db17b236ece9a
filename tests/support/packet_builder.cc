// SPDX-License-Identifier: Apache-2.0
#include "tests/support/packet_builder.h"

#include <algorithm>
#include <cstdlib>

namespace sluice::test {
namespace {

constexpr std::size_t kEth = 14, kIp = 20;

void put8(Frame& out, std::size_t value) {
  out.push_back(static_cast<std::uint8_t>(value & 0xffU));
}
void put16(Frame& out, std::size_t value) {
  put8(out, value >> 8U);
  put8(out, value);
}
void put32(Frame& out, std::uint32_t value) {
  put16(out, value >> 16U);
  put16(out, value & 0xffffU);
}
void put_mac(Frame& out, const MacAddr& value) {
  out.insert(out.end(), value.bytes.begin(), value.bytes.end());
}
void put_text(Frame& out, std::string_view text) {
  out.insert(out.end(), text.begin(), text.end());
}

std::uint16_t get16(std::span<const std::uint8_t> in, std::size_t at) {
  return static_cast<std::uint16_t>(in[at] * 256U + in[at + 1]);
}
std::uint32_t get32(std::span<const std::uint8_t> in, std::size_t at) {
  return get16(in, at) * 65536U + get16(in, at + 2);
}
void set16(Frame& out, std::size_t at, std::size_t value) {
  out[at] = static_cast<std::uint8_t>(value >> 8U);
  out[at + 1] = static_cast<std::uint8_t>(value);
}

// The ones' complement sum of all words, folded; 0xffff when a checksum in it is right.
std::uint32_t ones_sum(std::span<const std::uint8_t> bytes, std::uint32_t start = 0) {
  std::uint32_t sum = start;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? bytes[i] * 256U : bytes[i];
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

std::uint32_t pseudo(Ipv4 src, Ipv4 dst, std::uint8_t proto, std::size_t length) {
  Frame header;
  put32(header, src.value);
  put32(header, dst.value);
  put16(header, proto);
  put16(header, length);
  return ones_sum(header);
}

void set_ip_checksum(Frame& frame, std::size_t at) {
  set16(frame, at + 10, 0);
  const auto header = std::span(frame).subspan(at, static_cast<std::size_t>(frame[at] & 15U) * 4);
  set16(frame, at + 10, 0xffffU - ones_sum(header));
}

Frame begin(const Eth& eth, std::uint16_t type) {
  Frame out;
  put_mac(out, eth.dst);
  put_mac(out, eth.src);
  put16(out, type);
  return out;
}

Frame begin_ip(const Eth& eth, const IpFields& fields, std::uint8_t proto, std::size_t l4_length) {
  Frame out = begin(eth, 0x0800);
  put16(out, 0x4500);
  put16(out, kIp + l4_length);
  put16(out, fields.identification);
  put16(out, fields.dont_fragment ? 0x4000U : 0U);
  put8(out, fields.ttl);
  put8(out, proto);
  put16(out, 0);
  put32(out, fields.src.value);
  put32(out, fields.dst.value);
  set_ip_checksum(out, kEth);
  return out;
}

// Fills in the checksum of the L4 that ends the frame.
void finish_l4(Frame& frame, std::size_t field, std::uint32_t start) {
  const auto l4 = std::span(frame).subspan(kEth + kIp);
  std::uint32_t value = 0xffffU - ones_sum(l4, start);
  if (value == 0 && field == 6) value = 0xffff;  // UDP's 0 would mean none
  set16(frame, kEth + kIp + field, value);
}

void read_l4(View& out, std::span<const std::uint8_t> l4, bool whole) {
  if (out.proto == 6 && l4.size() >= 8) {
    out.src_port = get16(l4, 0);
    out.dst_port = get16(l4, 2);
    out.tcp_seq = get32(l4, 4);
    if (l4.size() < 20) return;
    out.tcp_ack = get32(l4, 8);
    out.tcp_flags = l4[13];
    const std::size_t header = static_cast<std::size_t>(l4[12] >> 4U) * 4;
    if (header <= l4.size()) {
      out.payload.assign(l4.begin() + static_cast<std::ptrdiff_t>(header), l4.end());
    }
    if (whole) out.l4_checksum_ok = ones_sum(l4, pseudo(out.src, out.dst, 6, l4.size())) == 0xffff;
  } else if (out.proto == 17 && l4.size() >= 8) {
    out.src_port = get16(l4, 0);
    out.dst_port = get16(l4, 2);
    out.payload.assign(l4.begin() + 8, l4.end());
    if (whole && get16(l4, 6) != 0) {
      out.l4_checksum_ok = ones_sum(l4, pseudo(out.src, out.dst, 17, l4.size())) == 0xffff;
    }
  } else if (out.proto == 1 && l4.size() >= 8) {
    out.icmp_type = l4[0];
    out.icmp_code = l4[1];
    out.icmp_id = get16(l4, 4);
    out.icmp_mtu = get16(l4, 6);
    out.payload.assign(l4.begin() + 8, l4.end());
    if (whole) out.l4_checksum_ok = ones_sum(l4) == 0xffff;
  } else {
    out.payload.assign(l4.begin(), l4.end());
  }
}

bool read_ip(View& out, std::span<const std::uint8_t> packet, bool whole) {
  if (packet.size() < kIp || packet[0] >> 4U != 4) return false;
  const std::size_t header = static_cast<std::size_t>(packet[0] & 15U) * 4;
  out.ip_length = get16(packet, 2);
  if (header < kIp || packet.size() < header || (whole && out.ip_length > packet.size()))
    return false;
  if (whole) packet = packet.first(out.ip_length);
  out.ip_checksum_ok = ones_sum(packet.first(header)) == 0xffff;
  const std::uint16_t fragment = get16(packet, 6);
  out.dont_fragment = (fragment & 0x4000U) != 0;
  out.more_fragments = (fragment & 0x2000U) != 0;
  out.fragment_offset = static_cast<std::uint16_t>((fragment & 0x1fffU) * 8U);
  out.ttl = packet[8];
  out.proto = packet[9];
  out.src = Ipv4{get32(packet, 12)};
  out.dst = Ipv4{get32(packet, 16)};
  const auto l4 = packet.subspan(header);
  if (out.fragment_offset != 0) {
    out.payload.assign(l4.begin(), l4.end());
    return true;
  }
  read_l4(out, l4, whole && !out.more_fragments);
  return true;
}

}  // namespace

Ipv4 ip(std::string_view text) {
  const auto parsed = Ipv4::parse(text);
  if (!parsed) std::abort();
  return *parsed;
}

MacAddr mac(std::string_view text) {
  const auto parsed = MacAddr::parse(text);
  if (!parsed) std::abort();
  return *parsed;
}

Frame tcp_frame(const Eth& eth, const IpFields& fields, std::uint16_t src_port,
                std::uint16_t dst_port, std::uint8_t flags, std::string_view payload,
                std::uint32_t seq, std::uint32_t ack) {
  Frame out = begin_ip(eth, fields, 6, 20 + payload.size());
  put16(out, src_port);
  put16(out, dst_port);
  put32(out, seq);
  put32(out, ack);
  put8(out, 0x50);
  put8(out, flags);
  put16(out, 65535);
  put32(out, 0);
  put_text(out, payload);
  finish_l4(out, 16, pseudo(fields.src, fields.dst, 6, 20 + payload.size()));
  return out;
}

Frame udp_frame(const Eth& eth, const IpFields& fields, std::uint16_t src_port,
                std::uint16_t dst_port, std::string_view payload) {
  Frame out = begin_ip(eth, fields, 17, 8 + payload.size());
  put16(out, src_port);
  put16(out, dst_port);
  put16(out, 8 + payload.size());
  put16(out, 0);
  put_text(out, payload);
  finish_l4(out, 6, pseudo(fields.src, fields.dst, 17, 8 + payload.size()));
  return out;
}

Frame echo_frame(const Eth& eth, const IpFields& fields, bool request, std::uint16_t id,
                 std::uint16_t sequence, std::string_view payload) {
  Frame out = begin_ip(eth, fields, 1, 8 + payload.size());
  put16(out, request ? 0x0800U : 0U);
  put16(out, 0);
  put16(out, id);
  put16(out, sequence);
  put_text(out, payload);
  finish_l4(out, 2, 0);
  return out;
}

Frame icmp_error_frame(const Eth& eth, const IpFields& fields, std::uint8_t type, std::uint8_t code,
                       std::span<const std::uint8_t> quoted, std::uint16_t mtu) {
  Frame out = begin_ip(eth, fields, 1, 8 + quoted.size());
  put8(out, type);
  put8(out, code);
  put32(out, 0);
  put16(out, mtu);
  out.insert(out.end(), quoted.begin(), quoted.end());
  finish_l4(out, 2, 0);
  return out;
}

Frame ip_frame(const Eth& eth, const IpFields& fields, std::uint8_t proto,
               std::string_view payload) {
  Frame out = begin_ip(eth, fields, proto, payload.size());
  put_text(out, payload);
  return out;
}

Frame arp_request_frame(const MacAddr& sender, Ipv4 sender_ip, Ipv4 target_ip) {
  Frame out = begin({sender, mac("ff:ff:ff:ff:ff:ff")}, 0x0806);
  put32(out, 0x00010800);
  put32(out, 0x06040001);
  put_mac(out, sender);
  put32(out, sender_ip.value);
  put_mac(out, MacAddr{});
  put32(out, target_ip.value);
  return out;
}

Frame vxlan_frame(const Eth& eth, const IpFields& fields, std::uint32_t vni, const Frame& inner,
                  std::uint16_t src_port, std::uint16_t dst_port) {
  Frame out = begin_ip(eth, fields, 17, 16 + inner.size());
  put16(out, src_port);
  put16(out, dst_port);
  put16(out, 16 + inner.size());
  put16(out, 0);
  put32(out, 0x08000000);
  put32(out, vni << 8U);
  out.insert(out.end(), inner.begin(), inner.end());
  return out;
}

std::vector<Frame> fragments_of(const Frame& frame, std::size_t size) {
  const std::size_t total = get16(frame, kEth + 2);
  std::vector<Frame> out;
  for (std::size_t at = 0; at < total - kIp; at += size) {
    const std::size_t length = std::min(size, total - kIp - at);
    Frame part(frame.begin(), frame.begin() + kEth + kIp);
    const auto from = frame.begin() + static_cast<std::ptrdiff_t>(kEth + kIp + at);
    part.insert(part.end(), from, from + static_cast<std::ptrdiff_t>(length));
    const bool more = at + length < total - kIp;
    set16(part, kEth + 2, kIp + length);
    set16(part, kEth + 6, (more ? 0x2000U : 0U) | at / 8);
    set_ip_checksum(part, kEth);
    out.push_back(std::move(part));
  }
  return out;
}

Frame reassembled(const std::vector<Frame>& fragments) {
  if (fragments.empty()) return {};
  Frame out(fragments.front().begin(), fragments.front().begin() + kEth + kIp);
  for (const auto& part : fragments) out.insert(out.end(), part.begin() + kEth + kIp, part.end());
  set16(out, kEth + 2, out.size() - kEth);
  set16(out, kEth + 6, 0);
  set_ip_checksum(out, kEth);
  return out;
}

Frame ip_of(const Frame& frame, std::size_t length) {
  const std::size_t total = std::min<std::size_t>(get16(frame, kEth + 2), frame.size() - kEth);
  const auto from = frame.begin() + kEth;
  return Frame(from, from + static_cast<std::ptrdiff_t>(std::min(length, total)));
}

Frame framed(const Eth& eth, const Frame& packet) {
  Frame out = begin(eth, 0x0800);
  out.insert(out.end(), packet.begin(), packet.end());
  return out;
}

std::optional<View> view(const Frame& frame) {
  if (frame.size() < kEth) return std::nullopt;
  View out;
  std::copy_n(frame.begin(), 6, out.eth_dst.bytes.begin());
  std::copy_n(frame.begin() + 6, 6, out.eth_src.bytes.begin());
  out.eth_type = get16(frame, 12);
  if (out.eth_type != 0x0800) {
    out.payload.assign(frame.begin() + kEth, frame.end());
    return out;
  }
  if (!read_ip(out, std::span(frame).subspan(kEth), true)) return std::nullopt;
  return out;
}

std::optional<View> quoted_view(const Frame& packet) {
  View out;
  out.eth_type = 0x0800;
  if (!read_ip(out, packet, false)) return std::nullopt;
  return out;
}

std::optional<Vxlan> vxlan_view(const Frame& frame, std::uint16_t dst_port) {
  const auto outer = view(frame);
  if (!outer || outer->proto != 17 || outer->dst_port != dst_port || outer->payload.size() < 8 ||
      outer->payload[0] != 0x08) {
    return std::nullopt;
  }
  return Vxlan{get32(outer->payload, 4) >> 8U,
               Frame(outer->payload.begin() + 8, outer->payload.end())};
}

}  // namespace sluice::test
