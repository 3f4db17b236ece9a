// SPDX-License-Identifier: Apache-2.0
// A machine's sysfs and /dev as plain files below one directory, which tests build and change while
// programs read it: PFs, VFs, subfunctions, plain NICs, accelerators, GPUs, PCIe switches, RDMA,
// vDPA, vfio, uio.
//
// Contract: a file changes at once (rename), a VF is linked from its PF last and unlinked first, as
// in the kernel. What can't be written aborts: a test that can't build its tree can't go on.
// Threading: one thread builds; readers may be anywhere.
// Source of the layout: Documentation/ABI/testing/sysfs-bus-pci, sysfs-class-net,
// sysfs-class-infiniband, sysfs-bus-vdpa.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace sluice::testing {

// Where a function is and what it is. Values are written as they are: junk is allowed.
struct FunctionSpec {
  std::string vendor = "0x15b3";
  std::string device = "0x101d";
  std::string class_code = "0x020000";
  std::string numa_node = "0";
  std::string acpi_index;             // "": no such file
  std::string parent = "pci0000:00";  // a root bus, or the address of a bridge that was added
  unsigned total_vfs = 16;            // of add_pf() only
};

struct NetdevSpec {
  std::string mac = "02:00:00:00:00:01";
  unsigned if_index = 0;  // 0: the next free one
  bool carrier = true;
  unsigned type = 1;  // ARPHRD_*
  unsigned mtu = 1500;
  std::string speed = "100000";
  std::string physical_port_name, physical_switch_id;  // "": no such file
};

struct RdmaSpec {
  std::string name;  // "mlx5_0"
  unsigned ports = 1;
  std::string state = "4: ACTIVE";
  std::string physical_state = "5: LinkUp";
  std::string link_layer = "Ethernet";
  std::vector<std::string> pkeys = {"0xffff"};
  bool char_devices = true;  // uverbsN, and umadN and issmN per port, in sysfs and /dev
};

class FakeSysfs {
 public:
  // Makes <directory>/sys and <directory>/dev.
  explicit FakeSysfs(std::filesystem::path directory);
  FakeSysfs(const FakeSysfs&) = delete;
  FakeSysfs& operator=(const FakeSysfs&) = delete;

  std::string path() const { return sys_.string(); }      // the sysfs root
  std::string dev_root() const { return dev_.string(); }  // the fake /dev

  // A PCIe bridge (root port, or a port of a switch). `parent` as in FunctionSpec.
  void add_bridge(const std::string& address, const std::string& parent = "pci0000:00");

  // With an SR-IOV capability, no VFs yet. netdev "": none. driver "": unbound.
  void add_pf(const std::string& address, const std::string& driver, const std::string& netdev,
              const FunctionSpec& spec = {});
  // Without one.
  void add_nic(const std::string& address, const std::string& driver, const std::string& netdev,
               const FunctionSpec& spec = {});
  // Any function: nothing but what is in `spec`.
  void add_function(const std::string& address, const std::string& driver,
                    const FunctionSpec& spec);
  void add_accelerator(const std::string& address, const std::string& driver,
                       FunctionSpec spec = {});  // class 0x120000 unless spec says 0x12....
  void add_gpu(const std::string& address, const std::string& driver = "nvidia",
               FunctionSpec spec = {});  // class 0x030200 unless spec says 0x03....
  // Beside its PF, in the same NUMA node; sriov_numvfs counts it. No netdev: add_netdev().
  void add_vf(const std::string& pf, unsigned index, const std::string& address,
              const std::string& driver);
  // VFs 0 to count-1 at successive addresses behind the PF's, which are returned. `netdevs`: each
  // with one, "<name of the PF's netdev>v<index>".
  std::vector<std::string> add_vfs(const std::string& pf, unsigned count, const std::string& driver,
                                   bool netdevs = false);
  // An auxiliary device "<driver>.sf.<n>" below a PF. Its name is then good wherever a function's
  // address is: add_netdev(), add_rdma(), bind(), set()...
  void add_sf(const std::string& pf, const std::string& name, unsigned number,
              const std::string& netdev);

  // The device, with all that is on it: netdevs, RDMA devices, their nodes in /dev.
  void remove_device(const std::string& address);
  void remove_vf(const std::string& pf, unsigned index, const std::string& address);
  void remove_sf(const std::string& name) { remove_device(name); }

  void add_netdev(const std::string& address, const std::string& name, const NetdevSpec& spec);
  void add_netdev(const std::string& address, const std::string& name, const std::string& mac,
                  unsigned if_index);
  // A netdev without a device, as the representors of most drivers; below a PF: add_netdev().
  void add_virtual_netdev(const std::string& name, const NetdevSpec& spec);
  void remove_netdev(const std::string& name);  // as when it is moved into a pod
  void remove_netdev(const std::string&, const std::string& name) { remove_netdev(name); }
  void set_netdev(const std::string& name, const std::string& attribute, const std::string& value);

  void bind(const std::string& address, const std::string& driver);
  void unbind(const std::string& address);

  // An attribute's file below the device ("numa_node", "infiniband/mlx5_0/ports/1/state").
  void set(const std::string& address, const std::string& attribute, const std::string& value);
  void unset(const std::string& address, const std::string& attribute);

  void add_rdma(const std::string& address, const RdmaSpec& spec);
  void remove_rdma(const std::string& address, const std::string& name);
  // driver: "vhost_vdpa" (makes the character device), "virtio_vdpa", "" unbound.
  void add_vdpa(const std::string& address, const std::string& name, const std::string& driver);
  // The group's node in /dev/vfio is made too. no_iommu: as vfio does it without an IOMMU.
  void set_iommu_group(const std::string& address, const std::string& group, bool no_iommu = false);
  void add_vfio_device(const std::string& address, const std::string& name);  // "vfio3"
  void add_uio(const std::string& address, const std::string& name);          // "uio0"
  // Files of the fake /dev: "vhost-net", "infiniband/rdma_cm", "net/tun".
  void add_node(const std::string& name);
  void remove_node(const std::string& name);

  // For what there is no function for: paths below the sysfs root.
  void write(const std::string& relative, const std::string& line);
  void link(const std::string& relative, const std::string& target);
  void remove(const std::string& relative);  // also a whole directory
  // Where a device is, below the sysfs root; "" when there is none.
  std::string directory_of(const std::string& address) const;

 private:
  std::string container_of(const std::string& parent) const;
  void place(const std::string& name, const std::string& directory);
  void put(const std::filesystem::path& at, const std::string& line);
  void put_link(const std::filesystem::path& at, const std::string& target);
  void fill_netdev(const std::string& directory, const std::string& name, const NetdevSpec& spec);
  void add_char_devices(const std::string& directory, const RdmaSpec& spec);
  std::filesystem::path staged();

  std::filesystem::path sys_, dev_, staging_;
  std::map<std::string, std::string> devices_;             // name -> directory below sys_
  std::map<std::string, std::string> netdevs_;             // name -> directory below sys_
  std::map<std::string, std::vector<std::string>> nodes_;  // device -> its files in /dev
  std::map<std::string, std::string> pf_netdevs_;          // PF -> its first netdev
  std::map<std::string, unsigned> vf_counts_;              // PF -> VFs it has now
  unsigned next_if_index_ = 1000, next_uverbs_ = 0, next_umad_ = 0, staged_ = 0;
};

}  // namespace sluice::testing
