// SPDX-License-Identifier: Apache-2.0
// Reading typed attributes from a sysfs tree. Internal to common/nic.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "common/os/files.h"

namespace sluice::nic {

// Decimal, or hexadecimal with "0x"; more than `limit` is an Error.
Result<std::uint32_t> read_number(const os::Root& sysfs, const std::string& path,
                                  std::uint32_t limit = 0xffffffff);
// "" where the file isn't there or the driver has no answer (EOPNOTSUPP, EINVAL).
std::string read_optional(const os::Root& sysfs, const std::string& path);

// phys_port_name of a port of an eswitch: "p0", "pf0", "pf0vf3", each also behind "c1".
struct PortName {
  std::uint16_t pf = 0;
  std::optional<std::uint16_t> vf;
  bool uplink = false;  // "p0"
};
std::optional<PortName> parse_port_name(std::string_view text);

std::vector<Representor> read_representors(const os::Root& sysfs, std::vector<Broken>& broken);

}  // namespace sluice::nic
