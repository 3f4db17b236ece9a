// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "common/nic/sysfs.h"

namespace sluice::nic {
namespace {

// Takes `prefix` and the decimal number behind it.
template <class T>
bool take(std::string_view& rest, std::string_view prefix, T& number) {
  if (!rest.starts_with(prefix)) return false;
  const char* const begin = rest.data() + prefix.size();
  const char* const end = rest.data() + rest.size();
  const auto [next, error] = std::from_chars(begin, end, number);
  if (error != std::errc{} || next == begin) return false;
  rest.remove_prefix(static_cast<std::size_t>(next - rest.data()));
  return true;
}

}  // namespace

std::optional<PortName> parse_port_name(std::string_view text) {
  std::string_view rest = text;
  std::uint16_t controller = 0;
  // A controller prefix says whose host the port faces; the numbers behind it mean the same.
  (void)take(rest, "c", controller);
  PortName name;
  if (take(rest, "pf", name.pf)) {
    std::uint16_t vf = 0;
    std::uint32_t sf = 0;
    if (take(rest, "vf", vf)) {
      name.vf = vf;
    } else if (take(rest, "sf", sf)) {
      name.sf = sf;
    }
  } else if (take(rest, "p", name.pf)) {
    name.uplink = true;
    std::uint16_t lane = 0;
    (void)take(rest, "s", lane);  // one of the ports that a physical one was split into
  } else {
    return std::nullopt;
  }
  if (!rest.empty()) return std::nullopt;
  return name;
}

}  // namespace sluice::nic
