// SPDX-License-Identifier: Apache-2.0
#include "common/litegrpc/wire_status.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace sluice::litegrpc {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

// Where one character ends that begins at `at`, also in what isn't UTF-8.
std::size_t character_end(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && end < at + 4 && continues_character(text[end])) ++end;
  return end;
}

}  // namespace

std::string percent_encode(std::string_view message) {
  std::string out;
  out.reserve(std::min(message.size(), kMaxEncodedMessage));
  std::string one;
  for (std::size_t at = 0; at < message.size();) {
    const std::size_t end = character_end(message, at);
    one.clear();
    for (; at < end; ++at) {
      const auto byte = static_cast<unsigned char>(message[at]);
      if (byte >= 0x20 && byte <= 0x7e && byte != '%') {
        one += message[at];
      } else {
        one += '%';
        one += kHex[byte >> 4U];
        one += kHex[byte & 15U];
      }
    }
    if (out.size() + one.size() > kMaxEncodedMessage) break;
    out += one;
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && text.size() - at > 2) {
      const int high = hex_value(text[at + 1]);
      const int low = hex_value(text[at + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        at += 2;
        continue;
      }
    }
    out += text[at];
  }
  return out;
}

std::optional<Duration> parse_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  const char unit = text.back();
  text.remove_suffix(1);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  switch (unit) {
    case 'H':
      // More hours than fit the clock are as good as none that is reached.
      return std::chrono::hours(std::min<std::uint32_t>(value, 87600));
    case 'M':
      return std::chrono::minutes(value);
    case 'S':
      return std::chrono::seconds(value);
    case 'm':
      return std::chrono::milliseconds(value);
    case 'u':
      return std::chrono::microseconds(value);
    case 'n':
      return std::chrono::nanoseconds(value);
    default:
      return std::nullopt;
  }
}

std::string format_timeout(Duration timeout) {
  constexpr std::int64_t kMost = 99'999'999;
  struct Unit {
    std::int64_t nanoseconds;
    char letter;
  };
  constexpr std::array<Unit, 4> kUnits{
      {{1'000, 'u'}, {1'000'000, 'm'}, {1'000'000'000, 'S'}, {60'000'000'000, 'M'}}};
  const std::int64_t count = std::max<std::int64_t>(timeout.count(), 0);
  for (const Unit& unit : kUnits) {
    const std::int64_t value = count / unit.nanoseconds + (count % unit.nanoseconds != 0 ? 1 : 0);
    if (value <= kMost) return std::to_string(value) + unit.letter;
  }
  return std::to_string(kMost) + 'M';
}

int parse_status(std::string_view text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc{} && end == text.data() + text.size();
  return good && value >= kOk && value <= kUnauthenticated ? value : kUnknown;
}

int status_of_http(std::string_view http_status) {
  if (http_status == "400") return kInternal;
  if (http_status == "401") return kUnauthenticated;
  if (http_status == "403") return kPermissionDenied;
  if (http_status == "404") return kUnimplemented;
  if (http_status == "429" || http_status == "502" || http_status == "503" ||
      http_status == "504") {
    return kUnavailable;
  }
  return kUnknown;
}

int status_of_reset(std::uint32_t error_code) {
  switch (error_code) {
    case NGHTTP2_REFUSED_STREAM:
      return kUnavailable;
    case NGHTTP2_CANCEL:
      return kCancelled;
    case NGHTTP2_ENHANCE_YOUR_CALM:
      return kResourceExhausted;
    case NGHTTP2_INADEQUATE_SECURITY:
      return kPermissionDenied;
    default:
      return kInternal;
  }
}

bool is_grpc_content(std::string_view content_type) {
  constexpr std::string_view kType = "application/grpc";
  if (content_type.substr(0, kType.size()) != kType) return false;
  content_type.remove_prefix(kType.size());
  return content_type.empty() || content_type[0] == '+' || content_type[0] == ';';
}

}  // namespace sluice::litegrpc
