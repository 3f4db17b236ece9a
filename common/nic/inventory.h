// SPDX-License-Identifier: Apache-2.0
// The inventory: PFs, VFs and representors, read from a sysfs root in one pass.
//
// Source: Documentation/ABI/testing/sysfs-bus-pci (sriov_*, physfn, virtfnN) and sysfs-class-net
// (phys_switch_id, phys_port_name: "p0" uplink, "pf0" PF, "pf0vf3" VF representor).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/os/files.h"

namespace sluice::nic {

struct PciAddress {
  std::uint32_t domain = 0;
  std::uint8_t bus = 0, device = 0, function = 0;
  static Result<PciAddress> parse(std::string_view text);  // "0000:3b:00.2", "3b:00.2"
  std::string to_string() const;                           // with domain, lower case
  auto operator<=>(const PciAddress&) const = default;
};

struct Netdev {
  std::string name;
  std::uint32_t if_index = 0;
  MacAddr mac;
  bool carrier = false;
};

struct Vf {
  PciAddress address;
  std::uint16_t index = 0;       // virtfn<index>
  std::string driver;            // "" when unbound
  std::optional<Netdev> netdev;  // unset while it is in a pod, or has no network driver
};

struct Pf {
  PciAddress address;
  std::uint16_t vendor = 0, device = 0;
  std::string driver;
  std::optional<Netdev> netdev;
  std::uint16_t total_vfs = 0;
  std::string switch_id;  // "" when not in switchdev mode
  std::optional<int> numa_node;
  std::vector<Vf> vfs;  // by index
};

struct Representor {
  std::string name;
  std::string switch_id;
  std::uint16_t pf = 0;
  std::optional<std::uint16_t> vf;  // unset: the uplink or the PF itself
};

struct Broken {
  std::string device;  // what could not be read
  std::string reason;
};

struct Inventory {
  std::vector<Pf> pfs;  // by address
  std::vector<Representor> representors;
  std::vector<Broken> broken;  // a broken device never hides the others

  const Vf* find_vf(const PciAddress& address) const;
  const Pf* find_pf_of(const PciAddress& vf) const;
};

Result<Inventory> read_inventory(const os::Root& sysfs);

}  // namespace sluice::nic
