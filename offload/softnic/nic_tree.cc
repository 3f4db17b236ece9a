// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/nic_tree.h"

#include <array>

#include "common/nic/vf_control.h"
#include "offload/softnic/identity.h"

namespace sluice::softnic {
namespace {

constexpr std::string_view kEthernetClass = "0x020000";  // PCI class code: network, Ethernet

// IF_OPER_* of linux/if.h, as net/core/net-sysfs.c prints them.
constexpr std::array<std::string_view, 7> kOperStates = {
    "unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"};

class Builder {
 public:
  explicit Builder(const NicDescription& nic)
      : nic_(nic), pci_root_("devices/pci0000:" + bus_of(nic.pf)) {}

  Tree build() {
    add_pf();
    for (const auto& vf : nic_.vfs) add_vf(vf);
    return std::move(tree_);
  }

 private:
  static std::string bus_of(const nic::PciAddress& address) {
    return address.to_string().substr(5, 2);
  }

  void file(const std::string& path, std::string_view line) {
    tree_[path] = {false, std::string(line).append("\n")};
  }
  void link(const std::string& path, std::string target) {
    tree_[path] = {true, std::move(target)};
  }

  std::string device_directory(const nic::PciAddress& address) const {
    return pci_root_ + "/" + address.to_string();
  }

  void add_function(const nic::PciAddress& address, std::string_view device_id) {
    const std::string at = device_directory(address);
    const std::string name = address.to_string();
    file(at + "/vendor", kVendorId);
    file(at + "/device", device_id);
    file(at + "/class", kEthernetClass);
    file(at + "/numa_node", "-1");
    link(at + "/subsystem", "../../../bus/pci");
    link(at + "/driver", std::string("../../../bus/pci/drivers/").append(nic::kSimulatedDriver));
    link("bus/pci/devices/" + name, "../../../" + at);
    link(std::string("bus/pci/drivers/").append(nic::kSimulatedDriver) + "/" + name,
         "../../../../" + at);
  }

  // A netdev below a device, and its entry in class/net.
  std::string add_netdev(const std::string& device, const std::string& name,
                         const netlink::Link& state) {
    const std::string at = device + "/net/" + name;
    file(at + "/address", state.mac.to_string());
    file(at + "/ifindex", std::to_string(state.index.value));
    file(at + "/type", "1");  // ARPHRD_ETHER
    file(at + "/mtu", std::to_string(state.mtu));
    file(at + "/carrier", state.carrier ? "1" : "0");
    file(at + "/operstate",
         state.oper_state < kOperStates.size() ? kOperStates[state.oper_state] : kOperStates[0]);
    link("class/net/" + name, "../../" + at);
    return at;
  }

  void add_pf() {
    const std::string at = device_directory(nic_.pf);
    add_function(nic_.pf, kPfDeviceId);
    const std::string count = std::to_string(nic_.vfs.size());
    file(at + "/sriov_totalvfs", count);
    file(at + "/sriov_numvfs", count);
    if (!nic_.uplink) return;
    const std::string net = add_netdev(at, nic_.uplink_name, *nic_.uplink);
    link(net + "/device", "../../../" + nic_.pf.to_string());
    file(net + "/phys_switch_id", nic_.switch_id);
    file(net + "/phys_port_name", "p0");
  }

  void add_vf(const NicDescription::Vf& vf) {
    const std::string at = device_directory(vf.address);
    add_function(vf.address, kVfDeviceId);
    link(at + "/physfn", "../" + nic_.pf.to_string());
    link(device_directory(nic_.pf) + "/virtfn" + std::to_string(vf.index),
         "../" + vf.address.to_string());
    if (vf.netdev) {
      const std::string net = add_netdev(at, vf.netdev->name, *vf.netdev);
      link(net + "/device", "../../../" + vf.address.to_string());
    }
    if (vf.representor) {
      const std::string net = add_netdev("devices/virtual", vf.representor->name, *vf.representor);
      file(net + "/phys_switch_id", nic_.switch_id);
      file(net + "/phys_port_name", "pf0vf" + std::to_string(vf.index));
    }
  }

  const NicDescription& nic_;
  const std::string pci_root_;
  Tree tree_;
};

}  // namespace

Tree describe(const NicDescription& nic) { return Builder(nic).build(); }

}  // namespace sluice::softnic
