// SPDX-License-Identifier: Apache-2.0
// Unaligned loads and stores of packet bytes, and byte order.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace sluice::eswitch {

constexpr std::uint16_t be16(std::uint16_t v) {
  if constexpr (std::endian::native == std::endian::little) return __builtin_bswap16(v);
  return v;
}
constexpr std::uint32_t be32(std::uint32_t v) {
  if constexpr (std::endian::native == std::endian::little) return __builtin_bswap32(v);
  return v;
}

// As they lie in memory.
template <class T>
inline T load(const std::uint8_t* from) {
  T v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class T>
inline void store(std::uint8_t* to, T v) {
  std::memcpy(to, &v, sizeof v);
}

// Network order in memory, host order here.
inline std::uint16_t load16(const std::uint8_t* from) { return be16(load<std::uint16_t>(from)); }
inline std::uint32_t load32(const std::uint8_t* from) { return be32(load<std::uint32_t>(from)); }
inline void store16(std::uint8_t* to, std::uint32_t v) {
  store(to, be16(static_cast<std::uint16_t>(v)));
}
inline void store32(std::uint8_t* to, std::uint32_t v) { store(to, be32(v)); }

// Header sizes and offsets (RFC 791, 793, 768, 7348; IEEE 802.1Q).
inline constexpr std::uint32_t kEthLength = 14, kVlanTagLength = 4, kIpv4MinLength = 20;
inline constexpr std::uint32_t kTcpMinLength = 20, kUdpLength = 8, kIcmpLength = 8;
inline constexpr std::uint32_t kVxlanLength = 8;
inline constexpr std::uint16_t kEthTypeIpv4 = 0x0800, kEthTypeVlan = 0x8100, kEthTypeQinq = 0x88a8;
inline constexpr std::uint8_t kProtoIcmp = 1, kProtoTcp = 6, kProtoUdp = 17;
inline constexpr std::uint32_t kTcpChecksumOffset = 16, kUdpChecksumOffset = 6;

}  // namespace sluice::eswitch
