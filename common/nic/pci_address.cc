// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdio>

#include "common/nic/inventory.h"

namespace sluice::nic {
namespace {

// Takes the digits in front of `separator` (or all that is left), and the separator.
bool take_hex(std::string_view& rest, char separator, std::size_t least, std::size_t most,
              std::uint32_t limit, std::uint32_t& value) {
  const auto end = separator == '\0' ? rest.size() : rest.find(separator);
  if (end == std::string_view::npos || end < least || end > most) return false;
  const auto [next, error] = std::from_chars(rest.data(), rest.data() + end, value, 16);
  if (error != std::errc{} || next != rest.data() + end || value > limit) return false;
  rest.remove_prefix(separator == '\0' ? end : end + 1);
  return true;
}

}  // namespace

Result<PciAddress> PciAddress::parse(std::string_view text) {
  std::string_view rest = text;
  std::uint32_t domain = 0, bus = 0, device = 0, function = 0;
  const bool has_domain = text.find(':') != text.rfind(':');
  // Four digits as a rule; bridges that make domains of their own use five and more.
  const bool good = (!has_domain || take_hex(rest, ':', 4, 8, 0xffffffff, domain)) &&
                    take_hex(rest, ':', 2, 2, 0xff, bus) &&
                    take_hex(rest, '.', 2, 2, 0x1f, device) &&
                    take_hex(rest, '\0', 1, 1, 7, function);
  if (!good) {
    return fail(Code::kInvalid,
                "'" + std::string(text) + "' is not a PCI address like 0000:3b:00.2");
  }
  return PciAddress{domain, static_cast<std::uint8_t>(bus), static_cast<std::uint8_t>(device),
                    static_cast<std::uint8_t>(function)};
}

std::string PciAddress::to_string() const {
  char out[24];
  std::snprintf(out, sizeof out, "%04x:%02x:%02x.%x", domain, bus, device, function);
  return out;
}

}  // namespace sluice::nic
