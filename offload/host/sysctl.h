// SPDX-License-Identifier: Apache-2.0
// Sysctls below /proc/sys/net of the calling thread's network namespace, and sets of ports.
// Source: Documentation/networking/ip-sysctl.rst.
#pragma once

#include <bitset>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "offload/model/intent.h"

namespace sluice::host {

// `name`: "ipv4/conf/node0/rp_filter".
Status write_sysctl(const std::string& name, std::string_view value);
Result<std::string> read_sysctl(const std::string& name);  // without the final newline
// A kernel built without IPv6 has nothing to switch off: success.
Status disable_ipv6(const std::string& netdev);

// As in ip_local_reserved_ports: "8080,9000-9010".
class PortSet {
 public:
  static Result<PortSet> parse(std::string_view text);
  void add(const model::PortRange& range);
  void remove(const model::PortRange& range);
  std::string to_string() const;
  bool operator==(const PortSet&) const = default;

 private:
  std::bitset<65536> ports_;
};

// Adds to ip_local_reserved_ports, and takes out again. Nothing to change: nothing is written.
Status reserve_ports(const std::set<model::PortRange>& ranges);
Status unreserve_ports(const std::set<model::PortRange>& ranges);

}  // namespace sluice::host
