// SPDX-License-Identifier: Apache-2.0
// Typed attributes of a sysfs tree: reading the files, and the pure parsers of what they and the
// names in it say. Internal to common/nic, its tests and the fuzzer.
//
// Contract: the parsers take any bytes. An attribute is one line of at most 4 KiB, as sysfs has
// them; anything else is an Error that names the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "common/os/files.h"

namespace sluice::nic {

inline constexpr std::size_t kMaxName = 255;  // of devices, drivers, ports

// Without the final newline.
Result<std::string> read_attribute(const os::Root& sysfs, const std::string& path);
// Decimal, or hexadecimal with "0x"; more than `limit` is an Error.
Result<std::uint32_t> read_number(const os::Root& sysfs, const std::string& path,
                                  std::uint32_t limit = 0xffffffff);
// "" where the file isn't there, the driver has no answer (EOPNOTSUPP, EINVAL) or the line is
// longer than a name.
std::string read_optional(const os::Root& sysfs, const std::string& path);
// 0 for all that is no such number, as the "-1" of a speed that nobody knows.
std::uint32_t read_number_or_zero(const os::Root& sysfs, const std::string& path,
                                  std::uint32_t limit = 0x7fffffff);
// The last part of a link's target; "" where there is no link.
Result<std::string> read_link_name(const os::Root& sysfs, const std::string& path);
// Names in a directory; none where there is no directory.
Result<std::vector<std::string>> list_optional(const os::Root& sysfs, const std::string& path);

std::string_view last_part(std::string_view path);
std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t limit);
// The number behind `prefix`, and nothing else: ("virtfn12", "virtfn") is 12.
std::optional<std::uint32_t> number_behind(std::string_view text, std::string_view prefix);
// "4: ACTIVE" is "ACTIVE".
std::string parse_rdma_state(std::string_view text);
// "0x8001"; also decimal.
std::optional<std::uint16_t> parse_pkey(std::string_view text);
// "mlx5_core.sf.4" is an auxiliary device of type sf: its last part is 4.
std::optional<std::uint32_t> parse_sf_name(std::string_view name);

// Where a PCI function is: from "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0", or such a
// path without the dots.
struct PciPlace {
  std::vector<PciAddress> path;  // the bridges above it, nearest to the root first
  std::string root;              // "pci0000:00"
};
PciPlace parse_place(std::string_view device_path);

// phys_port_name of a port of an eswitch: "p0", "p0s1" (split), "pf0", "pf0vf3", "pf0sf88", each
// also behind "c1".
struct PortName {
  std::uint16_t pf = 0;
  std::optional<std::uint16_t> vf;
  std::optional<std::uint32_t> sf;
  bool uplink = false;  // "p0"
};
std::optional<PortName> parse_port_name(std::string_view text);

}  // namespace sluice::nic
