// SPDX-License-Identifier: Apache-2.0
// Builds and reads Ethernet frames for tests: IPv4, TCP, UDP, ICMP, ARP, VXLAN, with right
// checksums. Written apart from the code under test, so that the two can't share a mistake.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/addr.h"

namespace sluice::test {

using Frame = std::vector<std::uint8_t>;

// "10.0.0.1", "02:00:00:00:00:01"; aborts on a typo.
Ipv4 ip(std::string_view text);
MacAddr mac(std::string_view text);

struct Eth {
  MacAddr src, dst;
};

struct IpFields {
  Ipv4 src, dst;
  std::uint8_t ttl = 64;
  bool dont_fragment = false;
  std::uint16_t identification = 0x1234;
};

inline constexpr std::uint8_t kTcpFinFlag = 0x01, kTcpSynFlag = 0x02, kTcpRstFlag = 0x04,
                              kTcpPshFlag = 0x08, kTcpAckFlag = 0x10;

Frame tcp_frame(const Eth& eth, const IpFields& fields, std::uint16_t src_port,
                std::uint16_t dst_port, std::uint8_t flags, std::string_view payload = "",
                std::uint32_t seq = 1000, std::uint32_t ack = 0);
Frame udp_frame(const Eth& eth, const IpFields& fields, std::uint16_t src_port,
                std::uint16_t dst_port, std::string_view payload = "data");
Frame echo_frame(const Eth& eth, const IpFields& fields, bool request, std::uint16_t id,
                 std::uint16_t sequence = 1, std::string_view payload = "ping");
// `quoted` starts at an IP header.
Frame icmp_error_frame(const Eth& eth, const IpFields& fields, std::uint8_t type, std::uint8_t code,
                       std::span<const std::uint8_t> quoted, std::uint16_t mtu = 0);
// Any other IP protocol.
Frame ip_frame(const Eth& eth, const IpFields& fields, std::uint8_t proto,
               std::string_view payload);
// Broadcast by its sender.
Frame arp_request_frame(const MacAddr& sender, Ipv4 sender_ip, Ipv4 target_ip);
Frame vxlan_frame(const Eth& eth, const IpFields& fields, std::uint32_t vni, const Frame& inner,
                  std::uint16_t src_port = 50000, std::uint16_t dst_port = 4789);

// The frame in fragments of `size` bytes of IP payload, a multiple of 8.
std::vector<Frame> fragments_of(const Frame& frame, std::size_t size);
// The datagram that these fragments, in order, make up.
Frame reassembled(const std::vector<Frame>& fragments);

// The IP packet of a frame, or its first `length` bytes.
Frame ip_of(const Frame& frame, std::size_t length = 65535);
// An IP packet with an Ethernet header in front.
Frame framed(const Eth& eth, const Frame& packet);

struct View {
  MacAddr eth_src, eth_dst;
  std::uint16_t eth_type = 0;
  // IPv4; meaningful when eth_type is 0x0800.
  Ipv4 src, dst;
  std::uint8_t proto = 0, ttl = 0;
  bool dont_fragment = false, more_fragments = false;
  std::uint16_t fragment_offset = 0;  // bytes
  std::uint16_t ip_length = 0;
  bool ip_checksum_ok = false;
  // Whole TCP, UDP (0 is right, RFC 768) and ICMP only; true for all else.
  bool l4_checksum_ok = true;
  std::uint16_t src_port = 0, dst_port = 0;  // TCP, UDP
  std::uint8_t tcp_flags = 0;
  std::uint32_t tcp_seq = 0, tcp_ack = 0;
  std::uint8_t icmp_type = 0, icmp_code = 0;
  std::uint16_t icmp_id = 0, icmp_mtu = 0;
  Frame payload;  // behind the L4 header

  bool checksums_ok() const { return ip_checksum_ok && l4_checksum_ok; }
};

// Nothing for what isn't a whole Ethernet frame with a whole packet in it.
std::optional<View> view(const Frame& frame);
// Reads a quoted packet, which starts at its IP header and may be cut short.
std::optional<View> quoted_view(const Frame& packet);
struct Vxlan {
  std::uint32_t vni = 0;
  Frame inner;
};
// Nothing unless it is UDP to `dst_port` with a VXLAN header whose VNI is valid.
std::optional<Vxlan> vxlan_view(const Frame& frame, std::uint16_t dst_port = 4789);

}  // namespace sluice::test
