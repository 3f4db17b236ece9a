// SPDX-License-Identifier: Apache-2.0
#include "common/kube/base64.h"

#include <cstdint>
#include <optional>

namespace sluice::kube {
namespace {

std::optional<std::uint32_t> value_of(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<std::uint32_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a') + 26U;
  if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0') + 52U;
  if (c == '+') return 62U;
  if (c == '/') return 63U;
  return std::nullopt;
}

}  // namespace

Result<std::string> decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  std::size_t digits = 0, padding = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    const auto value = value_of(c);
    if (c == '=' ? digits % 4 < 2 && padding == 0 : (!value || padding != 0)) {
      return fail(Code::kInvalid, "no base64 at byte " + std::to_string(i));
    }
    padding += c == '=' ? 1U : 0U;
    bits = bits << 6U | value.value_or(0);
    if (++digits % 4 != 0) continue;
    for (std::size_t byte = 0; byte < 3 - padding; ++byte) {
      out.push_back(static_cast<char>(bits >> (16U - 8U * byte) & 0xffU));
    }
    bits = 0;
  }
  if (digits % 4 != 0) return fail(Code::kInvalid, "base64 ends in the middle of a group");
  return out;
}

}  // namespace sluice::kube
