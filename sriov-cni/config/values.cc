// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <utility>

namespace sluice::cni {
namespace {

constexpr std::uint16_t kLastVlan = 4094;

template <class T>
std::optional<T> parse_whole(std::string_view text, int base = 10) {
  T out = 0;
  const auto* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, out, base);
  if (text.empty() || error != std::errc{} || end != last) return std::nullopt;
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// `count` groups of `digits` hexadecimal digits with `separator` between them.
std::optional<std::uint64_t> parse_groups(std::string_view text, char separator, std::size_t count,
                                          std::size_t digits) {
  if (text.size() != count * (digits + 1) - 1) return std::nullopt;
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = i * (digits + 1);
    const auto group = parse_whole<std::uint16_t>(text.substr(at, digits), 16);
    if (!group || (i > 0 && text[at - 1] != separator)) return std::nullopt;
    out = out << (4 * digits) | *group;
  }
  return out;
}

// How many kbit/s one of the unit is.
std::optional<std::uint64_t> kbit_of(std::string_view unit) {
  static constexpr std::array<std::pair<char, std::uint64_t>, 4> kPrefixes = {
      {{'k', 1}, {'m', 1000}, {'g', 1000'000}, {'t', 1000'000'000}}};
  if (unit.empty()) return 1000;
  const auto rest = unit.substr(1);
  if (!rest.empty() && rest != "bit" && rest != "bps" && rest != "bit/s" && rest != "b/s") {
    return std::nullopt;
  }
  for (const auto& [prefix, kbit] : kPrefixes) {
    if (unit.front() == prefix) return kbit;
  }
  return std::nullopt;
}

}  // namespace

std::optional<MacAddr> parse_port_mac(std::string_view text) {
  auto bits = parse_groups(text, ':', 6, 2);
  if (!bits) bits = parse_groups(text, '-', 6, 2);
  if (!bits) bits = parse_groups(text, '.', 3, 4);
  if (!bits) return std::nullopt;
  MacAddr out;
  for (unsigned i = 0; i < 6; ++i) {
    out.bytes[i] = static_cast<std::uint8_t>(*bits >> (40U - 8U * i));
  }
  if (out.is_zero() || out.is_multicast()) return std::nullopt;
  return out;
}

std::optional<std::uint64_t> parse_guid(std::string_view text) {
  const auto out = parse_groups(text, ':', 8, 2);
  return out == 0U ? std::nullopt : out;
}

std::optional<std::uint32_t> parse_mbps(std::string_view text) {
  const auto number_end = std::min(text.find_first_not_of("0123456789."), text.size());
  auto number = text.substr(0, number_end);
  auto unit = text.substr(number_end);
  if (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  const auto kbit = kbit_of(lower(unit));
  const auto dot = number.find('.');
  const auto fraction = dot == std::string_view::npos ? "" : number.substr(dot + 1);
  const bool bare_dot = dot != std::string_view::npos && (dot == 0 || fraction.empty());
  // Nine digits: what is computed below stays within 64 bits.
  if (!kbit || bare_dot || number.size() > 10) return std::nullopt;
  const auto digits =
      parse_whole<std::uint32_t>(std::string(number.substr(0, dot)) + std::string(fraction));
  if (!digits || *digits > 999'999'999) return std::nullopt;
  auto amount = *digits * *kbit;
  std::uint64_t scale = 1000;
  for (std::size_t i = 0; i < fraction.size(); ++i) scale *= 10;
  if (amount % scale != 0) return std::nullopt;
  amount /= scale;
  if (amount > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(amount);
}

std::optional<std::uint16_t> parse_pkey(std::string_view text) {
  const bool hex = text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X";
  const auto out = parse_whole<std::uint16_t>(hex ? text.substr(2) : text, hex ? 16 : 10);
  if (!out || (*out & 0x7fffU) == 0) return std::nullopt;
  return out;
}

std::optional<VlanRange> parse_vlan_range(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = parse_whole<std::uint16_t>(text.substr(0, dash));
  const auto last =
      dash == std::string_view::npos ? first : parse_whole<std::uint16_t>(text.substr(dash + 1));
  if (!first || !last || *first == 0 || *first > *last || *last > kLastVlan) return std::nullopt;
  return VlanRange{*first, *last};
}

std::vector<VlanRange> merge_ranges(std::vector<VlanRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<VlanRange> out;
  for (const auto& range : ranges) {
    if (!out.empty() && range.first <= out.back().last + 1) {
      out.back().last = std::max(out.back().last, range.last);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

std::optional<IpPrefix> parse_address(std::string_view text) {
  if (const auto prefix = IpPrefix::parse(text)) return *prefix;
  if (const auto ip = IpAddr::parse(text)) return IpPrefix{*ip, ip->width()};
  return std::nullopt;
}

}  // namespace sluice::cni
