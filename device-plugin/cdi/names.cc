// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/cdi/names.h"

namespace sluice::cdi {
namespace {

constexpr std::string_view kMark = "x--";
constexpr std::string_view kHex = "0123456789abcdef";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) { return is_letter(c) || is_digit(c); }

void append_escaped(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  out += '_';
  out += kHex[byte >> 4U];
  out += kHex[byte & 0xfU];
}

bool is_allowed(std::string_view text, std::string_view inside, bool digit_first) {
  if (text.empty() || text.substr(0, kMark.size()) == kMark) return false;
  if (!is_letter(text.front()) && !(digit_first && is_digit(text.front()))) return false;
  if (!is_alphanumeric(text.back())) return false;
  for (const char c : text) {
    if (!is_alphanumeric(c) && inside.find(c) == std::string_view::npos) return false;
  }
  return true;
}

std::string made_allowed(std::string_view text, std::string_view inside, bool digit_first) {
  if (is_allowed(text, inside, digit_first)) return std::string(text);
  std::string out(kMark);
  for (const char c : text) {
    if (is_alphanumeric(c)) {
      out += c;
    } else {
      append_escaped(out, c);
    }
  }
  // A name ends with a letter or digit. "e" itself is allowed, so no other name becomes this.
  return text.empty() ? out + "e" : out;
}

std::optional<unsigned> hex_digit(char c) {
  const auto at = kHex.find(c);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(at);
}

}  // namespace

std::string vendor_name(std::string_view text) { return made_allowed(text, "._-", false); }
std::string class_name(std::string_view text) { return made_allowed(text, "_-", false); }
std::string device_name(std::string_view text) { return made_allowed(text, "._-:", true); }

std::string file_part(std::string_view set) {
  std::string out;
  for (const char c : set) {
    if (is_alphanumeric(c) || c == '.' || c == '-') {
      out += c;
    } else {
      append_escaped(out, c);
    }
  }
  return out;
}

std::optional<std::string> from_file_part(std::string_view part) {
  std::string out;
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] != '_') {
      out += part[i];
      continue;
    }
    if (part.size() - i < 3) return std::nullopt;
    const auto high = hex_digit(part[i + 1]), low = hex_digit(part[i + 2]);
    if (!high || !low) return std::nullopt;
    out += static_cast<char>(*high << 4U | *low);
    i += 2;
  }
  if (file_part(out) != part) return std::nullopt;
  return out;
}

}  // namespace sluice::cdi
