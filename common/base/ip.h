// SPDX-License-Identifier: Apache-2.0
// Addresses of both families as one value type, for what doesn't care which: IPAM, CNI results.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/addr.h"
#include "common/base/result.h"

namespace sluice {

struct IpAddr {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // in the order of the wire; IPv4: the first four

  // "10.0.0.1", "fd00::1"; no zone, no leading zeros, no spaces.
  static Result<IpAddr> parse(std::string_view text);
  static IpAddr from(Ipv4 ip);
  std::string to_string() const;   // RFC 5952 for IPv6
  std::optional<Ipv4> v4() const;  // unset: IPv6
  std::uint8_t width() const { return v6 ? 128 : 32; }
  bool is_zero() const { return bytes == std::array<std::uint8_t, 16>{}; }
  bool is_multicast() const { return v6 ? bytes[0] == 0xff : bytes[0] >> 4U == 14; }
  bool is_link_local() const;          // 169.254.0.0/16, fe80::/10
  std::optional<IpAddr> next() const;  // unset: was the last one of the family
  std::optional<IpAddr> previous() const;
  auto operator<=>(const IpAddr&) const = default;  // IPv4 before IPv6, then by value
};

// An address in its network: host bits are kept.
struct IpPrefix {
  IpAddr address;
  std::uint8_t length = 0;  // 0 to address.width()

  static Result<IpPrefix> parse(std::string_view text);  // "10.0.0.5/24"
  std::string to_string() const;
  IpAddr network() const;  // the first address: host bits zero
  IpAddr last() const;     // host bits one
  bool contains(const IpAddr& ip) const;
  auto operator<=>(const IpPrefix&) const = default;
};

}  // namespace sluice
