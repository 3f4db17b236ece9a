// SPDX-License-Identifier: Apache-2.0
// The parts of read_inventory(): one pass over a sysfs tree. Internal to common/nic.
//
// Contract: each device's directory is listed once, each file read at most once. What a driver
// refuses to say is empty. Lists that a hostile tree makes longer than hardware can be are cut.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "common/nic/inventory.h"
#include "common/nic/sysfs.h"
#include "common/os/files.h"

namespace sluice::nic {

inline constexpr const char* kPciDevices = "bus/pci/devices";
std::string device_path(const PciAddress& address);

// What is in a device's directory, as far as it matters here.
struct Entries {
  bool driver = false, net = false, physfn = false, sriov = false;
  bool numa_node = false, acpi_index = false;
  bool infiniband = false, verbs = false, mad = false, cm = false;
  bool iommu_group = false, vfio = false, uio = false;
  std::vector<std::uint16_t> virtfns;  // sorted
  std::vector<std::string> vdpa;       // "vdpa0"
  std::vector<std::string> virtio;     // "virtio0": below it is the netdev of a virtio NIC
  std::vector<std::string> sfs;        // "mlx5_core.sf.4"
};
Entries parse_entries(const std::vector<std::string>& names);

// Character devices of the host: one listing a directory, not a look for each device.
class CharDevices {
 public:
  CharDevices() = default;  // there are none
  explicit CharDevices(const std::string& dev_root);
  bool vhost_net() const { return vhost_net_; }
  bool rdma_cm() const { return infiniband_.contains("rdma_cm"); }
  // "/dev/infiniband/<name>", or "" when there is no such node.
  std::string infiniband(const std::string& name) const;
  bool vfio_device(const std::string& name) const { return vfio_.contains(name); }

 private:
  bool vhost_net_ = false;
  std::set<std::string, std::less<>> infiniband_, vfio_;
};

class Reader {
 public:
  Reader(const os::Root& sysfs, const InventoryOptions& options, Inventory& inventory)
      : sysfs_(sysfs),
        user_space_devices_(options.user_space_devices),
        nodes_(options.user_space_devices ? CharDevices(options.dev_root) : CharDevices()),
        inventory_(inventory) {}

  Status read();

  // One function by itself; the inventory stays as it is.
  Result<Function> read_one(const PciAddress& address);

 private:
  struct Candidate {
    PciAddress address;
    std::string directory;  // below the root; without a link in it once that is known
    Entries entries;
    std::uint32_t class_code = 0;
    PciPlace place;
  };
  using Problems = std::vector<Error>;
  enum class Ports : std::uint8_t { kOwn, kWithRepresentors };

  // inventory.cc: which functions there are, and whose VFs.
  void look_at(const std::string& name);
  std::optional<Candidate> candidate_at(const PciAddress& address);
  void locate(Candidate& candidate);
  void sort_by_class(Candidate candidate);
  void add_pf(const Candidate& candidate);
  void add_other(const Candidate& candidate);
  void read_vfs(const Candidate& pf_candidate, Pf& pf);
  Result<Candidate> vf_candidate(const PciAddress& pf, const std::string& virtfn,
                                 const std::string& target);
  Result<Vf> follow_virtfn(const Candidate& pf_candidate, const Pf& pf, std::uint16_t index);
  void adopt_orphans();
  void report(const std::string& device, const std::string& path, const Problems& problems);

  // function.cc
  void read_function(const Candidate& candidate, Ports ports, Function& function,
                     Problems& problems);
  void read_user_space_devices(const std::string& device, const Entries& entries,
                               Function& function);

  // netdev.cc
  void read_netdevs(const std::string& directory, Ports ports, std::vector<Netdev>& found,
                    Problems& problems);
  Result<Netdev> read_netdev(const std::string& path, Netdev netdev);
  void note_port(const Netdev& netdev);
  void read_representors();

  // rdma.cc
  std::vector<RdmaDevice> read_rdma(const std::string& device, const Entries& entries);
  RdmaDevice::Port read_rdma_port(const std::string& path, std::uint16_t number);
  void assign_char_devices(const std::string& directory, std::vector<RdmaDevice>& devices);

  // subfunctions.cc
  std::vector<VdpaDevice> read_vdpa(const std::string& device, const Entries& entries);
  void read_sfs(const std::string& device, const Entries& entries, Pf& pf);
  Result<Sf> read_sf(const std::string& path, const std::string& name);

  const os::Root& sysfs_;
  const bool user_space_devices_;
  const CharDevices nodes_;
  Inventory& inventory_;
  std::vector<Candidate> pfs_;
  std::map<PciAddress, Candidate> virtual_;  // have a physfn; taken by their PF
  std::set<PciAddress> taken_;               // by a PF
  std::unordered_set<std::string> seen_netdevs_;
};

}  // namespace sluice::nic
