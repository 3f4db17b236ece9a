// SPDX-License-Identifier: Apache-2.0
// A sysfs tree with PFs and VFs, as files in a directory, that tests change while it is read.
// Source of the layout: Documentation/ABI/testing/sysfs-bus-pci, sysfs-class-net.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::testing {

class FakeSysfs {
 public:
  explicit FakeSysfs(std::filesystem::path root) : root_(std::move(root)) {
    std::filesystem::create_directories(root_ / "bus/pci/devices");
    std::filesystem::create_directories(root_ / "class/net");
  }

  std::string path() const { return root_.string(); }

  void add_pf(const std::string& address, const std::string& driver, const std::string& netdev) {
    add_device(address);
    set(address, "vendor", "0x15b3");
    set(address, "device", "0x101d");
    set(address, "class", "0x020000");
    set(address, "sriov_totalvfs", "16");
    set(address, "sriov_numvfs", "0");
    set(address, "numa_node", "0");
    bind(address, driver);
    add_netdev(address, netdev, "02:00:00:00:00:ff", 7);
  }

  // The device appears first and is linked from its PF last, as the kernel does it.
  void add_vf(const std::string& pf, unsigned index, const std::string& address,
              const std::string& driver) {
    add_device(address);
    set(address, "vendor", "0x15b3");
    set(address, "device", "0x101e");
    set(address, "class", "0x020000");
    link("../" + pf, device(address) / "physfn");
    bind(address, driver);
    link("../" + address, device(pf) / ("virtfn" + std::to_string(index)));
  }

  void remove_vf(const std::string& pf, unsigned index, const std::string& address) {
    std::filesystem::remove(device(pf) / ("virtfn" + std::to_string(index)));
    std::filesystem::remove(root_ / "bus/pci/devices" / address);
    std::filesystem::remove_all(device(address));
  }

  void add_netdev(const std::string& address, const std::string& name, const std::string& mac,
                  unsigned index) {
    const auto net = device(address) / "net" / name;
    std::filesystem::create_directories(net);
    write(net / "address", mac);
    write(net / "ifindex", std::to_string(index));
    write(net / "carrier", "1");
    link("../../devices/pci0000:00/" + address + "/net/" + name, root_ / "class/net" / name);
  }

  void remove_netdev(const std::string& address, const std::string& name) {
    std::filesystem::remove(root_ / "class/net" / name);
    std::filesystem::remove_all(device(address) / "net" / name);
  }

  void bind(const std::string& address, const std::string& driver) {
    std::filesystem::create_directories(root_ / "bus/pci/drivers" / driver);
    link("../../../bus/pci/drivers/" + driver, device(address) / "driver");
  }
  void unbind(const std::string& address) { std::filesystem::remove(device(address) / "driver"); }

  void set(const std::string& address, const std::string& attribute, const std::string& value) {
    write(device(address) / attribute, value);
  }

 private:
  std::filesystem::path device(const std::string& address) const {
    return root_ / "devices/pci0000:00" / address;
  }

  void add_device(const std::string& address) {
    std::filesystem::create_directories(device(address));
    link("../../../devices/pci0000:00/" + address, root_ / "bus/pci/devices" / address);
  }

  static void link(const std::filesystem::path& target, const std::filesystem::path& at) {
    std::filesystem::remove(at);
    std::filesystem::create_symlink(target, at);
  }

  static void write(const std::filesystem::path& path, const std::string& value) {
    std::ofstream(path) << value << "\n";
  }

  std::filesystem::path root_;
};

}  // namespace sluice::testing
