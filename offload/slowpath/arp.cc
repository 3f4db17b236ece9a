// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/arp.h"

#include <array>

namespace sluice::slowpath {
namespace {

constexpr std::size_t kArpLength = 28;
constexpr std::size_t kFrameLength = 60;  // the shortest Ethernet frame, without FCS

// Ethernet, IPv4, request (RFC 826).
bool is_request(ConstBytes arp) {
  return load16(arp, 0) == 1 && load16(arp, 2) == kEtherIpv4 && arp[4] == 6 && arp[5] == 4 &&
         load16(arp, 6) == 1;
}

}  // namespace

bool answer_arp(const model::Intent& intent, model::PortId port, ConstBytes frame,
                PacketPort& out) {
  if (port == model::PortId::uplink() || frame.size() < kEthHeader + kArpLength) return false;
  const ConstBytes arp = frame.subspan(kEthHeader, kArpLength);
  if (!is_request(arp) || load32(arp, 24) != intent.gateway_ip.value) return false;
  const MacAddr sender = load_mac(arp, 8);
  // The one who asks is the one who sent the frame, and is one machine.
  if (sender.is_multicast() || sender.is_zero() || sender != load_mac(frame, 6)) return false;

  std::array<std::uint8_t, kFrameLength> reply{};
  const Bytes bytes(reply);
  store_mac(bytes, 0, sender);
  store_mac(bytes, 6, intent.gateway_mac);
  store16(bytes, 12, kEtherArp);
  const Bytes body = bytes.subspan(kEthHeader);
  store16(body, 0, 1);
  store16(body, 2, kEtherIpv4);
  body[4] = 6;
  body[5] = 4;
  store16(body, 6, 2);
  store_mac(body, 8, intent.gateway_mac);
  store32(body, 14, intent.gateway_ip.value);
  store_mac(body, 18, sender);
  store32(body, 24, load32(arp, 14));
  out.send(port, bytes);
  return true;
}

}  // namespace sluice::slowpath
