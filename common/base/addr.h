// SPDX-License-Identifier: Apache-2.0
// Addresses as value types: MAC, IPv4, IPv4 prefix. Comparable, hashable, printable.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice {

struct MacAddr {
  std::array<std::uint8_t, 6> bytes{};  // in the order of the wire

  static Result<MacAddr> parse(std::string_view text);  // "02:00:00:aa:bb:cc", either case
  std::string to_string() const;                        // lower case, colons
  bool is_zero() const { return bytes == std::array<std::uint8_t, 6>{}; }
  bool is_multicast() const { return (bytes[0] & 1U) != 0; }
  auto operator<=>(const MacAddr&) const = default;
};

struct Ipv4 {
  std::uint32_t value = 0;  // host order: 10.0.0.1 is 0x0a000001

  static Result<Ipv4> parse(std::string_view text);  // dotted quad, no leading zeros, no spaces
  std::string to_string() const;
  bool is_zero() const { return value == 0; }
  auto operator<=>(const Ipv4&) const = default;
};

struct Prefix4 {
  Ipv4 address;             // host bits are zero after parse()
  std::uint8_t length = 0;  // 0 to 32

  static Result<Prefix4> parse(std::string_view text);  // "10.0.0.0/24"; host bits set are an error
  std::string to_string() const;
  std::uint32_t mask() const { return length == 0 ? 0 : ~std::uint32_t{0} << (32U - length); }
  bool contains(Ipv4 ip) const { return (ip.value & mask()) == address.value; }
  bool overlaps(const Prefix4& other) const {
    return contains(other.address) || other.contains(address);
  }
  auto operator<=>(const Prefix4&) const = default;
};

}  // namespace sluice

template <>
struct std::hash<sluice::Ipv4> {
  std::size_t operator()(const sluice::Ipv4& ip) const noexcept {
    return static_cast<std::size_t>(ip.value * 0x9e3779b97f4a7c15ULL);
  }
};
template <>
struct std::hash<sluice::MacAddr> {
  std::size_t operator()(const sluice::MacAddr& mac) const noexcept {
    std::uint64_t v = 0;
    for (auto b : mac.bytes) v = v << 8U | b;
    return static_cast<std::size_t>(v * 0x9e3779b97f4a7c15ULL);
  }
};
