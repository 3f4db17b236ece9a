// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "common/nic/sysfs.h"

namespace sluice::nic {
namespace {

// Takes `prefix` and the decimal number behind it.
bool take(std::string_view& rest, std::string_view prefix, std::uint16_t& number) {
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
    if (take(rest, "vf", vf)) name.vf = vf;
  } else if (take(rest, "p", name.pf)) {
    name.uplink = true;
  } else {
    return std::nullopt;
  }
  if (!rest.empty()) return std::nullopt;  // "p0s1" (split port), "pf0sf7" (subfunction)
  return name;
}

std::vector<Representor> read_representors(const os::Root& sysfs, std::vector<Broken>& broken) {
  std::vector<Representor> found;
  const auto names = sysfs.list("class/net");
  if (!names) {
    if (names.error().code != Code::kNotFound) {
      broken.push_back({"class/net", names.error().to_string()});
    }
    return found;
  }
  for (const auto& name : *names) {
    const std::string path = "class/net/" + name;
    Representor representor;
    representor.switch_id = read_optional(sysfs, path + "/phys_switch_id");
    const auto port = parse_port_name(read_optional(sysfs, path + "/phys_port_name"));
    if (representor.switch_id.empty() || !port) continue;
    representor.name = name;
    representor.pf = port->pf;
    representor.vf = port->vf;
    found.push_back(std::move(representor));
  }
  return found;
}

}  // namespace sluice::nic
