// SPDX-License-Identifier: Apache-2.0
// PCI functions, and what is on them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tests/support/fake_sysfs/fake_sysfs.h"

namespace sluice::testing {
namespace fs = std::filesystem;
namespace {

std::string up(const std::string& directory) {
  return std::string("../").append([&] {
    std::string more;
    for (std::ptrdiff_t i = std::count(directory.begin(), directory.end(), '/'); i > 0; --i) {
      more += "../";
    }
    return more;
  }());
}

unsigned hex(const std::string& text, std::size_t at, std::size_t size) {
  return static_cast<unsigned>(std::strtoul(text.substr(at, size).c_str(), nullptr, 16));
}

// The address of VF `index`, as a device with a VF offset of 16 and a stride of 1 has them.
std::string vf_address(const std::string& pf, unsigned index) {
  const std::size_t bus_at = pf.rfind(':') - 2;
  const unsigned routing = (hex(pf, bus_at, 2) << 8U) + (hex(pf, bus_at + 3, 2) << 3U) +
                           hex(pf, bus_at + 6, 1) + 16 + index;
  char text[16];
  std::snprintf(text, sizeof text, "%02x:%02x.%x", (routing >> 8U) & 0xffU, (routing >> 3U) & 0x1fU,
                routing & 7U);
  return pf.substr(0, bus_at) + text;
}

}  // namespace

void FakeSysfs::add_bridge(const std::string& address, const std::string& parent) {
  FunctionSpec spec;
  spec.vendor = "0x10b5";
  spec.device = "0x8796";
  spec.class_code = "0x060400";
  spec.parent = parent;
  add_function(address, "pcieport", spec);
}

void FakeSysfs::add_function(const std::string& address, const std::string& driver,
                             const FunctionSpec& spec) {
  const std::string at = container_of(spec.parent) + "/" + address;
  place(address, at);
  write(at + "/vendor", spec.vendor);
  write(at + "/device", spec.device);
  write(at + "/class", spec.class_code);
  write(at + "/numa_node", spec.numa_node);
  if (!spec.acpi_index.empty()) write(at + "/acpi_index", spec.acpi_index);
  link(at + "/subsystem", up(at) + "bus/pci");
  if (!driver.empty()) bind(address, driver);
  link("bus/pci/devices/" + address, "../../../" + at);
}

void FakeSysfs::add_nic(const std::string& address, const std::string& driver,
                        const std::string& netdev, const FunctionSpec& spec) {
  add_function(address, driver, spec);
  if (!netdev.empty()) add_netdev(address, netdev, NetdevSpec{});
}

void FakeSysfs::add_pf(const std::string& address, const std::string& driver,
                       const std::string& netdev, const FunctionSpec& spec) {
  add_function(address, driver, spec);
  set(address, "sriov_totalvfs", std::to_string(spec.total_vfs));
  set(address, "sriov_numvfs", "0");
  pf_netdevs_[address] = netdev;
  NetdevSpec port;
  port.mac = "02:00:00:00:00:ff";
  if (!netdev.empty()) add_netdev(address, netdev, port);
}

void FakeSysfs::add_accelerator(const std::string& address, const std::string& driver,
                                FunctionSpec spec) {
  if (!spec.class_code.starts_with("0x12")) spec.class_code = "0x120000";
  add_function(address, driver, spec);
}

void FakeSysfs::add_gpu(const std::string& address, const std::string& driver, FunctionSpec spec) {
  if (!spec.class_code.starts_with("0x03")) spec.class_code = "0x030200";
  if (spec.vendor == FunctionSpec{}.vendor) spec.vendor = "0x10de";
  add_function(address, driver, spec);
}

void FakeSysfs::add_vf(const std::string& pf, unsigned index, const std::string& address,
                       const std::string& driver) {
  const std::string pf_at = directory_of(pf);
  const std::string at = pf_at.substr(0, pf_at.rfind('/')) + "/" + address;
  place(address, at);
  write(at + "/vendor", "0x15b3");
  write(at + "/device", "0x101e");
  write(at + "/class", "0x020000");
  std::error_code ignored;
  fs::copy_file(sys_ / pf_at / "numa_node", sys_ / at / "numa_node",
                fs::copy_options::overwrite_existing, ignored);
  link(at + "/physfn", "../" + pf);
  link(at + "/subsystem", up(at) + "bus/pci");
  if (!driver.empty()) bind(address, driver);
  link("bus/pci/devices/" + address, "../../../" + at);
  link(pf_at + "/virtfn" + std::to_string(index), "../" + address);
  set(pf, "sriov_numvfs", std::to_string(++vf_counts_[pf]));
}

std::vector<std::string> FakeSysfs::add_vfs(const std::string& pf, unsigned count,
                                            const std::string& driver, bool netdevs) {
  std::vector<std::string> addresses;
  for (unsigned i = 0; i < count; ++i) {
    addresses.push_back(vf_address(pf, i));
    const std::string& address = addresses.back();
    add_vf(pf, i, address, driver);
    if (!netdevs) continue;
    char mac[32];
    std::snprintf(mac, sizeof mac, "02:00:00:01:%02x:%02x", (i >> 8U) & 0xffU, i & 0xffU);
    NetdevSpec spec;
    spec.mac = mac;
    add_netdev(address, pf_netdevs_[pf] + "v" + std::to_string(i), spec);
  }
  return addresses;
}

void FakeSysfs::add_sf(const std::string& pf, const std::string& name, unsigned number,
                       const std::string& netdev) {
  const std::string at = directory_of(pf) + "/" + name;
  place(name, at);
  write(at + "/sfnum", std::to_string(number));
  link(at + "/subsystem", up(at) + "bus/auxiliary");
  bind(name, name.substr(0, name.find(".sf.")) + ".sf");
  link("bus/auxiliary/devices/" + name, "../../../" + at);
  if (!netdev.empty()) add_netdev(name, netdev, NetdevSpec{});
}

void FakeSysfs::remove_device(const std::string& address) {
  const std::string at = directory_of(address);
  if (at.empty()) return;
  remove("bus/pci/devices/" + address);
  remove("bus/auxiliary/devices/" + address);
  const auto below = [&](const std::string& path) { return path.starts_with(at + "/"); };
  std::vector<std::string> netdevs, devices{address};
  for (const auto& [name, directory] : netdevs_) {
    if (below(directory)) netdevs.push_back(name);
  }
  for (const auto& [name, directory] : devices_) {
    if (below(directory)) devices.push_back(name);
  }
  for (const auto& name : netdevs) remove_netdev(name);
  for (const auto& name : devices) {
    remove("bus/pci/devices/" + name);
    remove("bus/auxiliary/devices/" + name);
    for (const auto& node : nodes_[name]) remove_node(node);
    nodes_.erase(name);
    devices_.erase(name);
  }
  remove(at);
}

void FakeSysfs::remove_vf(const std::string& pf, unsigned index, const std::string& address) {
  remove(directory_of(pf) + "/virtfn" + std::to_string(index));
  if (vf_counts_[pf] > 0) set(pf, "sriov_numvfs", std::to_string(--vf_counts_[pf]));
  remove_device(address);
}

void FakeSysfs::add_char_devices(const std::string& directory, const RdmaSpec& spec) {
  const auto node = [&](const std::string& kind, const std::string& name, unsigned port) {
    const std::string at = directory + "/" + kind + "/" + name;
    write(at + "/ibdev", spec.name);
    if (port != 0) write(at + "/port", std::to_string(port));
    add_node("infiniband/" + name);
  };
  node("infiniband_verbs", "uverbs" + std::to_string(next_uverbs_++), 0);
  for (unsigned port = 1; port <= spec.ports; ++port, ++next_umad_) {
    node("infiniband_mad", "umad" + std::to_string(next_umad_), port);
    node("infiniband_mad", "issm" + std::to_string(next_umad_), port);
  }
}

void FakeSysfs::add_rdma(const std::string& address, const RdmaSpec& spec) {
  const std::string at = directory_of(address);
  const std::string device = at + "/infiniband/" + spec.name;
  for (unsigned port = 1; port <= spec.ports; ++port) {
    const std::string below = device + "/ports/" + std::to_string(port);
    write(below + "/state", spec.state);
    write(below + "/phys_state", spec.physical_state);
    write(below + "/link_layer", spec.link_layer);
    for (std::size_t i = 0; i < spec.pkeys.size(); ++i) {
      write(below + "/pkeys/" + std::to_string(i), spec.pkeys[i]);
    }
  }
  if (!spec.char_devices) return;
  const unsigned uverbs = next_uverbs_, first_umad = next_umad_;
  add_char_devices(at, spec);
  auto& nodes = nodes_[address];
  nodes.push_back("infiniband/uverbs" + std::to_string(uverbs));
  for (unsigned i = first_umad; i < next_umad_; ++i) {
    nodes.push_back("infiniband/umad" + std::to_string(i));
    nodes.push_back("infiniband/issm" + std::to_string(i));
  }
}

void FakeSysfs::remove_rdma(const std::string& address, const std::string& name) {
  const std::string at = directory_of(address);
  for (const char* kind : {"infiniband_verbs", "infiniband_mad", "infiniband_cm"}) {
    std::vector<std::string> gone;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(sys_ / at / kind, error)) {
      char text[256] = {};
      std::FILE* const file = std::fopen((entry.path() / "ibdev").c_str(), "re");
      if (file == nullptr) continue;
      const bool ours = std::fscanf(file, "%255s", text) == 1 && name == text;
      (void)std::fclose(file);
      if (ours) gone.push_back(entry.path().filename().string());
    }
    for (const auto& entry : gone) {
      remove(at + "/" + kind + "/" + entry);
      remove_node("infiniband/" + entry);
    }
  }
  remove(at + "/infiniband/" + name);
}

void FakeSysfs::add_vdpa(const std::string& address, const std::string& name,
                         const std::string& driver) {
  const std::string at = directory_of(address) + "/" + name;
  fs::create_directories(sys_ / at);
  if (!driver.empty()) {
    fs::create_directories(sys_ / "bus/vdpa/drivers" / driver);
    link(at + "/driver", up(at) + "bus/vdpa/drivers/" + driver);
  }
  link("bus/vdpa/devices/" + name, "../../../" + at);
  if (driver != "vhost_vdpa") return;
  const std::string node = "vhost-vdpa-" + name.substr(std::min<std::size_t>(4, name.size()));
  fs::create_directories(sys_ / at / node);
  add_node(node);
  nodes_[address].push_back(node);
}

void FakeSysfs::set_iommu_group(const std::string& address, const std::string& group,
                                bool no_iommu) {
  const std::string at = "kernel/iommu_groups/" + group;
  fs::create_directories(sys_ / at / "devices");
  if (no_iommu) write(at + "/name", "vfio-noiommu");
  link(directory_of(address) + "/iommu_group", up(directory_of(address)) + at);
  add_node("vfio/vfio");
  const std::string node = std::string("vfio/") + (no_iommu ? "noiommu-" : "") + group;
  add_node(node);
  nodes_[address].push_back(node);
}

void FakeSysfs::add_vfio_device(const std::string& address, const std::string& name) {
  fs::create_directories(sys_ / directory_of(address) / "vfio-dev" / name);
  add_node("vfio/devices/" + name);
  nodes_[address].push_back("vfio/devices/" + name);
}

void FakeSysfs::add_uio(const std::string& address, const std::string& name) {
  fs::create_directories(sys_ / directory_of(address) / "uio" / name);
  add_node(name);
  nodes_[address].push_back(name);
}

}  // namespace sluice::testing
