// SPDX-License-Identifier: Apache-2.0
#include "offload/model/port.h"

#include <charconv>

namespace sluice::model {
namespace {

constexpr std::uint16_t kMaxVfIndex = 4095;  // PCIe allows no more VFs with one stride in practice

}  // namespace

std::string PortId::to_string() const {
  switch (kind) {
    case Kind::kUplink:
      return "uplink";
    case Kind::kHost:
      return "host";
    case Kind::kVf:
      return "vf" + std::to_string(index);
  }
  return "?";
}

Result<PortId> PortId::parse(std::string_view text) {
  if (text == "uplink") return uplink();
  if (text == "host") return host();
  const auto bad = [&] {
    return fail(Code::kInvalid, "port '" + std::string(text.substr(0, 32)) +
                                    "' is not uplink, host or vf0 to vf" +
                                    std::to_string(kMaxVfIndex));
  };
  if (!text.starts_with("vf")) return bad();
  const std::string_view digits = text.substr(2);
  if (digits.empty() || (digits.size() > 1 && digits.front() == '0')) return bad();
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || number > kMaxVfIndex) {
    return bad();
  }
  return vf(number);
}

}  // namespace sluice::model
