// SPDX-License-Identifier: Apache-2.0
// Inventories as values, for tests of what is decided over them.
#pragma once

#include <cstdint>
#include <string>

#include "common/nic/inventory.h"

namespace sluice::pools {

inline nic::Netdev netdev(const std::string& name, std::uint16_t type = 1) {
  nic::Netdev out;
  out.name = name;
  out.carrier = true;
  out.type = type;
  return out;
}

inline nic::RdmaDevice rdma_device(const std::string& name, std::vector<std::uint16_t> pkeys = {}) {
  nic::RdmaDevice out;
  out.name = name;
  nic::RdmaDevice::Port port;
  port.pkeys = std::move(pkeys);
  out.ports.push_back(port);
  return out;
}

// Function numbers run over into device numbers, as on hardware: VF 0 is <bus>:00.2.
inline nic::PciAddress vf_address(std::uint8_t bus, std::size_t index) {
  const std::size_t place = index + 2;
  return {0, static_cast<std::uint8_t>(bus + place / 256),
          static_cast<std::uint8_t>(place / 8 % 32), static_cast<std::uint8_t>(place % 8)};
}

inline std::string vf_id(std::uint8_t bus, std::size_t index) {
  return vf_address(bus, index).to_string();
}

// "p0" on bus 3b: a ConnectX of two device IDs, its VFs with a netdev each.
inline nic::Pf make_pf(const std::string& name, std::uint8_t bus, std::size_t vfs,
                       const std::string& driver = "mlx5_core") {
  nic::Pf pf;
  pf.address = {0, bus, 0, 0};
  pf.vendor = 0x15b3;
  pf.device = 0x1017;
  pf.class_code = 0x020000;
  pf.driver = "mlx5_core";
  if (!name.empty()) pf.netdev = netdev(name);
  pf.numa_node = 1;
  pf.sriov = true;
  pf.total_vfs = 1024;
  pf.num_vfs = static_cast<std::uint16_t>(vfs);
  for (std::size_t i = 0; i < vfs; ++i) {
    nic::Vf vf;
    vf.address = vf_address(bus, i);
    vf.index = static_cast<std::uint16_t>(i);
    vf.vendor = 0x15b3;
    vf.device = 0x1018;
    vf.class_code = 0x020000;
    vf.driver = driver;
    if (driver != "vfio-pci" && !driver.empty()) vf.netdev = netdev(name + "v" + std::to_string(i));
    pf.vfs.push_back(std::move(vf));
  }
  return pf;
}

inline nic::Sf make_sf(std::uint32_t number, const std::string& netdev_name = "") {
  nic::Sf out;
  out.name = "mlx5_core.sf." + std::to_string(number + 1);
  out.number = number;
  out.driver = "mlx5_core.sf";
  if (!netdev_name.empty()) out.netdev = netdev(netdev_name);
  return out;
}

inline nic::Function make_accelerator(std::uint8_t bus, const std::string& driver = "vfio-pci") {
  nic::Function out;
  out.address = {0, bus, 0, 0};
  out.vendor = 0x8086;
  out.device = 0x0d90;
  out.class_code = 0x120000;
  out.driver = driver;
  return out;
}

}  // namespace sluice::pools
