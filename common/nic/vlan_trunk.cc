// SPDX-License-Identifier: Apache-2.0
#include "common/nic/vlan_trunk.h"

#include <bitset>
#include <optional>
#include <string>
#include <utility>

#include "common/nic/sysfs.h"

namespace sluice::nic {
namespace {

constexpr std::uint16_t kFirst = 1, kLast = 4094;
constexpr std::size_t kMaxText = 32U << 10U;  // each VLAN by itself takes 24 KiB

using Vlans = std::bitset<4096>;

tl::unexpected<Error> refuse(const std::string& range) {
  return fail(Code::kInvalid, "VLAN trunk holds '" + range.substr(0, 200) +
                                  "'; allowed are VLANs from 1 to 4094 and ranges of them");
}

Status mark(Vlans& vlans, const VlanRange& range) {
  if (range.first < kFirst || range.last > kLast || range.first > range.last) {
    return refuse(std::to_string(range.first) + "-" + std::to_string(range.last));
  }
  for (std::size_t vlan = range.first; vlan <= range.last; ++vlan) vlans.set(vlan);
  return {};
}

std::vector<VlanRange> ranges_of(const Vlans& vlans) {
  std::vector<VlanRange> ranges;
  for (std::uint16_t vlan = kFirst; vlan <= kLast; ++vlan) {
    if (!vlans.test(vlan)) continue;
    if (!ranges.empty() && ranges.back().last + 1 == vlan) {
      ranges.back().last = vlan;
    } else {
      ranges.push_back({vlan, vlan});
    }
  }
  return ranges;
}

// "100" or "100-105"
Status mark_text(Vlans& vlans, std::string_view text) {
  const auto dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash), kLast);
  const auto last =
      dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1), kLast);
  if (!first || !last) return refuse(std::string(text));
  return mark(vlans, {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)});
}

Result<Vlans> parse(std::string_view text) {
  // NVIDIA's begins with words.
  const auto colon = text.find(':');
  if (colon != std::string_view::npos) text.remove_prefix(colon + 1);
  constexpr std::string_view kBetween = ", \t\n";
  Vlans vlans;
  // "none" and the like: a driver's word for nothing.
  if (text.find_first_of("0123456789") == std::string_view::npos) return vlans;
  while (true) {
    const auto start = text.find_first_not_of(kBetween);
    if (start == std::string_view::npos) return vlans;
    text.remove_prefix(start);
    const auto part = text.substr(0, text.find_first_of(kBetween));
    SLUICE_CHECK_OK(mark_text(vlans, part));
    text.remove_prefix(part.size());
  }
}

std::string path_of(const PciAddress& pf, std::uint16_t vf) {
  return "bus/pci/devices/" + pf.to_string() + "/sriov/" + std::to_string(vf) + "/trunk";
}

Result<Vlans> read_vlans(const os::Root& sysfs, const PciAddress& pf, std::uint16_t vf) {
  const std::string path = path_of(pf, vf);
  const auto text = sysfs.read(path, kMaxText);
  if (!text && text.error().code == Code::kNotFound) {
    return fail(Code::kUnsupported, "the driver of PF " + pf.to_string() +
                                        " has no VLAN trunk for VF " + std::to_string(vf));
  }
  if (!text) return fail(text.error());
  auto vlans = parse(*text);
  if (!vlans) return fail(std::move(vlans).error().with("reading " + path));
  return vlans;
}

Status write_ranges(const os::Root& sysfs, const std::string& path, const char* verb,
                    const Vlans& vlans) {
  for (const auto& range : ranges_of(vlans)) {
    SLUICE_CHECK_OK(sysfs.write(path, std::string(verb) + " " + std::to_string(range.first) + " " +
                                          std::to_string(range.last)));
  }
  return {};
}

}  // namespace

Result<std::vector<VlanRange>> parse_vlan_trunk(std::string_view text) {
  SLUICE_TRY(const auto vlans, parse(text));
  return ranges_of(vlans);
}

Result<std::vector<VlanRange>> read_vlan_trunk(const os::Root& sysfs, const PciAddress& pf,
                                               std::uint16_t vf) {
  SLUICE_TRY(const auto vlans, read_vlans(sysfs, pf, vf));
  return ranges_of(vlans);
}

Status set_vlan_trunk(const os::Root& sysfs, const PciAddress& pf, std::uint16_t vf,
                      const std::vector<VlanRange>& wanted) {
  Vlans after;
  for (const auto& range : wanted) SLUICE_CHECK_OK(mark(after, range));
  SLUICE_TRY(const auto before, read_vlans(sysfs, pf, vf));
  const std::string path = path_of(pf, vf);
  SLUICE_CHECK_OK(write_ranges(sysfs, path, "rem", before & ~after));
  return write_ranges(sysfs, path, "add", after & ~before);
}

}  // namespace sluice::nic
