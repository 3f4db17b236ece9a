// SPDX-License-Identifier: Apache-2.0
// The inventory: network functions, accelerators and GPUs with all that is on them, read from a
// sysfs root in one pass.
//
// Contract: what a driver refuses to say is empty or unset; a device that vanished while it was
// read is left out without a word. A broken attribute of a PF is named in `broken` and costs only
// that attribute; a broken VF, subfunction or accelerator is named and left out. A VF is what its
// PF and itself agree on (virtfnN and physfn), once. Source:
// Documentation/ABI/testing/sysfs-bus-pci (sriov_*, physfn, virtfnN), sysfs-class-net
// (phys_switch_id, phys_port_name: "p0" uplink, "pf0" PF, "pf0vf3" VF representor), and
// sysfs-class-infiniband.
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
  std::uint16_t type = 1;          // ARPHRD_*: 1 Ethernet, 32 InfiniBand
  std::uint32_t mtu = 0;           // 0: unknown
  std::uint32_t speed_mbps = 0;    // 0: unknown, or no link
  std::string physical_port_name;  // "p0", "pf0vf3"; "" where the driver has none
  std::string physical_switch_id;
};

// An RDMA device on a function, with the character devices by which it is used. All paths are
// absolute, as on the host; empty where there is none.
struct RdmaDevice {
  std::string name;    // "mlx5_3"
  std::string uverbs;  // "/dev/infiniband/uverbs3"
  std::string umad;    // of the first port, "/dev/infiniband/umad3"
  std::string issm;    // of the first port
  std::string ucm;     // old kernels only
  struct Port {
    std::uint16_t number = 1;
    std::string state;                 // "ACTIVE", "DOWN", "INIT", "ARMED"; "" unknown
    std::string physical_state;        // "LinkUp", "Disabled", "Polling"...
    std::string link_layer;            // "Ethernet", "InfiniBand"
    std::vector<std::uint16_t> pkeys;  // the table without zero entries
  };
  std::vector<Port> ports;
};

struct VdpaDevice {
  std::string name;         // "vdpa0"
  std::string driver;       // "vhost_vdpa", "virtio_vdpa"; "" unbound
  std::string char_device;  // "/dev/vhost-vdpa-0", only of vhost_vdpa
};

// What every PCI function has that Sluice looks at: network and accelerator functions, and GPUs for
// the sake of distance.
struct Function {
  PciAddress address;
  std::uint16_t vendor = 0, device = 0;
  std::uint32_t class_code = 0;  // 0x020000: Ethernet controller; 24 bits
  std::string driver;            // "" when unbound
  std::optional<Netdev>
      netdev;  // the first one; unset while it is in a pod, or has no network driver
  std::vector<Netdev> more_netdevs;
  std::optional<int> numa_node;  // unset where the platform says nothing (-1)
  std::string acpi_index;        // "" where there is none
  // The bridges from the root port down to the function, nearest to the root first, without the
  // function itself: two functions whose paths share a switch's upstream port sit below the same
  // PCIe switch.
  std::vector<PciAddress> pcie_path;
  std::string pcie_root;  // "pci0000:00"
  std::vector<RdmaDevice> rdma;
  std::vector<VdpaDevice> vdpa;
  std::string iommu_group;     // "17"; "" without IOMMU
  bool iommu_noiommu = false;  // the group is vfio's own, without an IOMMU
  std::string vfio_device;     // "vfio3" below /dev/vfio/devices (the cdev of iommufd)
  std::string uio_device;      // "uio0"

  bool is_network() const { return class_code >> 16U == 0x02; }
};

struct Vf : Function {
  std::uint16_t index = 0;  // virtfn<index>
};

// A subfunction: an auxiliary device "mlx5_core.sf.4" below a PF.
struct Sf {
  std::string name;
  std::uint32_t number = 0;  // sfnum
  std::string driver;        // "mlx5_core.sf"; "" when unbound
  std::optional<Netdev> netdev;
  std::vector<RdmaDevice> rdma;
};

// A physical network function, with or without SR-IOV.
struct Pf : Function {
  bool sriov = false;  // has sriov_totalvfs, be it 0
  std::uint16_t total_vfs = 0;
  std::uint16_t num_vfs = 0;  // sriov_numvfs; 0 when it isn't a number
  std::string switch_id;      // "" when not in switchdev mode
  std::vector<Vf> vfs;        // by index
  std::vector<Sf> sfs;        // by number
};

struct Representor {
  std::string name;
  std::string switch_id;
  std::uint16_t pf = 0;
  std::optional<std::uint16_t> vf;  // unset: the uplink or the PF itself
  std::optional<std::uint32_t> sf;
};

struct Broken {
  std::string device;  // what could not be read
  std::string reason;
};

struct Inventory {
  // Network functions that are no VFs, by address; also a VF whose PF is another kernel's (in a
  // virtual machine), as one without SR-IOV.
  std::vector<Pf> pfs;
  std::vector<Function> accelerators;  // PCI base class 0x12, PFs and VFs
  std::vector<Function> gpus;          // PCI class 0x0300, 0x0302, 0x0380 and base class 0x12
  std::vector<Representor> representors;
  std::vector<Broken> broken;  // a broken device never hides the others
  bool vhost_net = false;      // the host has /dev/vhost-net
  bool rdma_cm = false;        // the host has /dev/infiniband/rdma_cm

  const Vf* find_vf(const PciAddress& address) const;
  const Pf* find_pf_of(const PciAddress& vf) const;
  const Pf* find_pf(const PciAddress& address) const;
};

struct InventoryOptions {
  std::string dev_root = "/dev";  // where character devices are looked for (tests: another place)
  // False: rdma, vdpa, vfio_device, uio_device, vhost_net and rdma_cm stay empty and are not looked
  // for: for whoever only moves netdevs and must be quick (the tables of RDMA partition keys alone
  // are most of the files of a NIC with many VFs).
  bool user_space_devices = true;
};

// One pass over bus/pci/devices, linear in the number of functions.
Result<Inventory> read_inventory(const os::Root& sysfs, const InventoryOptions& options = {});

// One function again, by itself (driver, netdevs, RDMA, vfio...; not its VFs): for whoever is about
// to give it away and must not trust a snapshot. Gone: Code::kNotFound.
Result<Function> read_function(const os::Root& sysfs, const PciAddress& address,
                               const InventoryOptions& options = {});

}  // namespace sluice::nic
