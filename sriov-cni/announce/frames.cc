// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/announce/frames.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace sluice::cni {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr MacAddr kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
constexpr MacAddr kAllNodesMac{{0x33, 0x33, 0, 0, 0, 1}};
constexpr std::array<std::uint8_t, 16> kAllNodes{0xff, 0x02, 0, 0, 0, 0, 0, 0,
                                                 0,    0,    0, 0, 0, 0, 0, 1};
constexpr std::uint16_t kEtherArp = 0x0806, kEtherIpv6 = 0x86dd, kEtherIpv4 = 0x0800;
constexpr std::uint8_t kIcmpv6 = 58, kAdvertisement = 136;
constexpr std::uint8_t kOverride = 0x20, kTargetLinkLayer = 2;
constexpr std::size_t kAdvertisementBytes = 32;

template <class Part>
void append(Bytes& frame, const Part& part) {
  frame.insert(frame.end(), part.begin(), part.end());
}

void append16(Bytes& frame, std::uint16_t value) {
  frame.push_back(static_cast<std::uint8_t>(value >> 8U));
  frame.push_back(static_cast<std::uint8_t>(value & 0xffU));
}

Bytes ethernet(const MacAddr& to, const MacAddr& from, std::uint16_t type) {
  Bytes frame;
  append(frame, to.bytes);
  append(frame, from.bytes);
  append16(frame, type);
  return frame;
}

Bytes arp_announcement(const MacAddr& mac, const IpAddr& address) {
  const std::array<std::uint8_t, 4> ip{address.bytes[0], address.bytes[1], address.bytes[2],
                                       address.bytes[3]};
  auto frame = ethernet(kBroadcast, mac, kEtherArp);
  append16(frame, 1);  // Ethernet
  append16(frame, kEtherIpv4);
  append(frame, std::array<std::uint8_t, 2>{6, 4});  // lengths of the two kinds of address
  append16(frame, 1);                                // request
  append(frame, mac.bytes);
  append(frame, ip);
  append(frame, MacAddr{}.bytes);
  append(frame, ip);
  return frame;
}

// RFC 1071 over a pseudo header (RFC 8200 section 8.1) and the message, both of even length.
std::uint16_t checksum(const IpAddr& source, const Bytes& message) {
  std::uint32_t sum = static_cast<std::uint32_t>(message.size()) + kIcmpv6;
  const auto add = [&sum](const auto& bytes) {
    for (std::size_t at = 0; at + 1 < bytes.size(); at += 2) {
      sum += static_cast<std::uint32_t>(bytes[at] << 8U | bytes[at + 1]);
    }
  };
  add(source.bytes);
  add(kAllNodes);
  add(message);
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum & 0xffffU);
}

Bytes neighbour_advertisement(const MacAddr& mac, const IpAddr& address) {
  Bytes message{kAdvertisement, 0, 0, 0, kOverride, 0, 0, 0};
  append(message, address.bytes);
  append(message, std::array<std::uint8_t, 2>{kTargetLinkLayer, 1});  // 1: eight bytes long
  append(message, mac.bytes);
  const auto sum = checksum(address, message);
  message[2] = static_cast<std::uint8_t>(sum >> 8U);
  message[3] = static_cast<std::uint8_t>(sum & 0xffU);

  auto frame = ethernet(kAllNodesMac, mac, kEtherIpv6);
  append(frame, std::array<std::uint8_t, 4>{0x60, 0, 0, 0});
  append16(frame, kAdvertisementBytes);
  append(frame, std::array<std::uint8_t, 2>{kIcmpv6, 255});  // a receiver refuses any other limit
  append(frame, address.bytes);
  append(frame, kAllNodes);
  append(frame, message);
  return frame;
}

}  // namespace

std::vector<std::uint8_t> announcement(const MacAddr& mac, const IpAddr& address) {
  return address.v6 ? neighbour_advertisement(mac, address) : arp_announcement(mac, address);
}

}  // namespace sluice::cni
