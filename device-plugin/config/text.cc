// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/config/text.h"

#include <algorithm>

namespace sluice::config {
namespace {

constexpr std::size_t kLongestShown = 200;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

}  // namespace

std::string bounded(std::string_view text) {
  std::size_t length = std::min(text.size(), kLongestShown);
  // Not in the middle of a UTF-8 character.
  while (length < text.size() && length > 0 && continues_character(text[length])) --length;
  std::string out;
  for (const char c : text.substr(0, length)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return out + (length < text.size() ? "..." : "");
}

std::string cite(std::string_view text) { return "'" + bounded(text) + "'"; }

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool equal_fold(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace sluice::config
