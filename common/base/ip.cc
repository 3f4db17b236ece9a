// SPDX-License-Identifier: Apache-2.0
#include "common/base/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace sluice {
namespace {

constexpr std::size_t kLongestText = 45;  // INET6_ADDRSTRLEN without its NUL

std::size_t byte_count(const IpAddr& ip) { return ip.v6 ? 16 : 4; }

// The bits of byte `at` that belong to the network.
std::uint8_t mask_byte(std::uint8_t length, std::size_t at) {
  const auto bits = std::clamp(static_cast<int>(length) - static_cast<int>(at) * 8, 0, 8);
  return static_cast<std::uint8_t>(0xff00U >> static_cast<unsigned>(bits));
}

}  // namespace

Result<IpAddr> IpAddr::parse(std::string_view text) {
  if (text.find(':') == std::string_view::npos) {
    const auto ip = Ipv4::parse(text);
    if (ip) return from(*ip);
  } else if (text.size() <= kLongestText) {
    IpAddr out;
    out.v6 = true;
    if (inet_pton(AF_INET6, std::string(text).c_str(), out.bytes.data()) == 1) return out;
  }
  return fail(Code::kInvalid, "'" + std::string(text.substr(0, 80)) +
                                  "' is not an IP address like 10.0.0.1 or fd00::1");
}

IpAddr IpAddr::from(Ipv4 ip) {
  IpAddr out;
  for (unsigned i = 0; i < 4; ++i) {
    out.bytes[i] = static_cast<std::uint8_t>(ip.value >> (24U - 8U * i));
  }
  return out;
}

std::string IpAddr::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof text);
  return text;
}

std::optional<Ipv4> IpAddr::v4() const {
  if (v6) return std::nullopt;
  Ipv4 out;
  for (unsigned i = 0; i < 4; ++i) out.value = out.value << 8U | bytes[i];
  return out;
}

bool IpAddr::is_link_local() const {
  if (v6) return bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80;
  return bytes[0] == 169 && bytes[1] == 254;
}

std::optional<IpAddr> IpAddr::next() const {
  auto out = *this;
  for (auto at = byte_count(*this); at-- > 0;) {
    if (++out.bytes[at] != 0) return out;
  }
  return std::nullopt;
}

std::optional<IpAddr> IpAddr::previous() const {
  auto out = *this;
  for (auto at = byte_count(*this); at-- > 0;) {
    if (out.bytes[at]-- != 0) return out;
  }
  return std::nullopt;
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto address = IpAddr::parse(text.substr(0, slash));
    const auto digits = text.substr(slash + 1);
    unsigned length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    const bool plain = !digits.empty() && (digits.size() == 1 || digits.front() != '0');
    if (address && plain && error == std::errc{} && end == digits.data() + digits.size() &&
        length <= address->width()) {
      return IpPrefix{*address, static_cast<std::uint8_t>(length)};
    }
  }
  return fail(Code::kInvalid, "'" + std::string(text.substr(0, 80)) +
                                  "' is not an address with its prefix length like 10.0.0.5/24");
}

std::string IpPrefix::to_string() const {
  return address.to_string() + "/" + std::to_string(length);
}

IpAddr IpPrefix::network() const {
  auto out = address;
  for (std::size_t at = 0; at < byte_count(out); ++at) out.bytes[at] &= mask_byte(length, at);
  return out;
}

IpAddr IpPrefix::last() const {
  auto out = address;
  for (std::size_t at = 0; at < byte_count(out); ++at) {
    out.bytes[at] = static_cast<std::uint8_t>(out.bytes[at] | ~mask_byte(length, at));
  }
  return out;
}

bool IpPrefix::contains(const IpAddr& ip) const {
  return ip.v6 == address.v6 && IpPrefix{ip, length}.network() == network();
}

}  // namespace sluice
