// SPDX-License-Identifier: Apache-2.0
#include "common/base/addr.h"

#include <charconv>
#include <cstdio>

namespace sluice {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

tl::unexpected<Error> bad(std::string_view text, const char* wanted) {
  return fail(Code::kInvalid, "'" + std::string(text) + "' is not " + wanted);
}

}  // namespace

Result<MacAddr> MacAddr::parse(std::string_view text) {
  static constexpr const char* kWanted = "a MAC address like 02:00:00:aa:bb:cc";
  if (text.size() != 17) return bad(text, kWanted);
  MacAddr mac;
  for (std::size_t i = 0; i < 6; ++i) {
    const int high = hex_digit(text[3 * i]);
    const int low = hex_digit(text[3 * i + 1]);
    if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':')) return bad(text, kWanted);
    mac.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return mac;
}

std::string MacAddr::to_string() const {
  char out[18];
  std::snprintf(out, sizeof out, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2],
                bytes[3], bytes[4], bytes[5]);
  return out;
}

Result<Ipv4> Ipv4::parse(std::string_view text) {
  static constexpr const char* kWanted = "an IPv4 address like 10.0.0.1";
  std::uint32_t value = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int i = 0; i < 4; ++i) {
    if (i > 0) {
      if (at == end || *at != '.') return bad(text, kWanted);
      ++at;
    }
    std::uint32_t octet = 0;
    const auto [next, error] = std::from_chars(at, end, octet);
    const bool leading_zero = next - at > 1 && *at == '0';
    if (error != std::errc{} || octet > 255 || leading_zero) return bad(text, kWanted);
    value = value << 8U | octet;
    at = next;
  }
  if (at != end) return bad(text, kWanted);
  return Ipv4{value};
}

std::string Ipv4::to_string() const {
  char out[16];
  std::snprintf(out, sizeof out, "%u.%u.%u.%u", value >> 24U, value >> 16U & 255U,
                value >> 8U & 255U, value & 255U);
  return out;
}

Result<Prefix4> Prefix4::parse(std::string_view text) {
  static constexpr const char* kWanted = "an IPv4 prefix like 10.0.0.0/24";
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return bad(text, kWanted);
  auto address = Ipv4::parse(text.substr(0, slash));
  const auto tail = text.substr(slash + 1);
  unsigned length = 0;
  const auto [next, error] = std::from_chars(tail.data(), tail.data() + tail.size(), length);
  if (!address || error != std::errc{} || next != tail.data() + tail.size() || length > 32) {
    return bad(text, kWanted);
  }
  Prefix4 prefix{*address, static_cast<std::uint8_t>(length)};
  if ((prefix.address.value & ~prefix.mask()) != 0) {
    return fail(Code::kInvalid,
                "prefix '" + std::string(text) + "' has bits set behind its length");
  }
  return prefix;
}

std::string Prefix4::to_string() const {
  return address.to_string() + "/" + std::to_string(length);
}

}  // namespace sluice
