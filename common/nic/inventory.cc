// SPDX-License-Identifier: Apache-2.0
#include "common/nic/inventory.h"

#include <algorithm>
#include <charconv>

#include "common/nic/sysfs.h"

namespace sluice::nic {
namespace {

constexpr const char* kDevices = "bus/pci/devices";

std::string device_path(const PciAddress& address) {
  return std::string(kDevices) + "/" + address.to_string();
}

std::string last_part(const std::string& link) {
  const auto slash = link.rfind('/');
  return slash == std::string::npos ? link : link.substr(slash + 1);
}

// "" where there is no link: unbound.
Result<std::string> read_driver(const os::Root& sysfs, const std::string& device) {
  auto link = sysfs.read_link(device + "/driver");
  if (link) return last_part(*link);
  if (link.error().code == Code::kNotFound) return std::string();
  return fail(std::move(link).error());
}

Result<Netdev> read_netdev(const os::Root& sysfs, const std::string& path, std::string name) {
  Netdev netdev;
  netdev.name = std::move(name);
  SLUICE_TRY(netdev.if_index, read_number(sysfs, path + "/ifindex"));
  SLUICE_TRY(const auto address, sysfs.read_line(path + "/address"));
  // InfiniBand has 20 bytes: no MAC, and nothing wrong with it.
  constexpr std::size_t kInfinibandText = 59;
  if (address.size() != kInfinibandText) {
    SLUICE_TRY(netdev.mac, MacAddr::parse(address));
  }
  // Not readable while the link is down.
  netdev.carrier = read_optional(sysfs, path + "/carrier") == "1";
  return netdev;
}

// The function's own netdev. In switchdev mode a PF's directory also holds the representors.
Result<std::optional<Netdev>> find_netdev(const os::Root& sysfs, const std::string& device) {
  const auto names = sysfs.list(device + "/net");
  if (!names) {
    if (names.error().code == Code::kNotFound) return std::nullopt;
    return fail(names.error());
  }
  for (const auto& name : *names) {
    const std::string path = device + "/net/" + name;
    const auto port = parse_port_name(read_optional(sysfs, path + "/phys_port_name"));
    if (port && !port->uplink) continue;
    auto netdev = read_netdev(sysfs, path, name);
    if (netdev) return std::optional<Netdev>(std::move(*netdev));
    // Renamed or moved away since it was listed: the same as not having been there.
    if (sysfs.exists(path)) return fail(std::move(netdev).error());
  }
  return std::nullopt;
}

Result<Vf> read_vf(const os::Root& sysfs, const PciAddress& address, std::uint16_t index) {
  const std::string device = device_path(address);
  if (!sysfs.exists(device)) {
    return fail(Code::kNotFound, "virtfn" + std::to_string(index) + " leads to " +
                                     address.to_string() + ", which is not there");
  }
  Vf vf;
  vf.address = address;
  vf.index = index;
  SLUICE_TRY(vf.driver, read_driver(sysfs, device));
  SLUICE_TRY(vf.netdev, find_netdev(sysfs, device));
  return vf;
}

std::optional<std::uint16_t> virtfn_index(std::string_view entry) {
  constexpr std::string_view kPrefix = "virtfn";
  if (!entry.starts_with(kPrefix)) return std::nullopt;
  std::uint16_t index = 0;
  const char* const end = entry.data() + entry.size();
  const auto [next, error] = std::from_chars(entry.data() + kPrefix.size(), end, index);
  if (error != std::errc{} || next != end) return std::nullopt;
  return index;
}

Result<Vf> follow_virtfn(const os::Root& sysfs, const std::string& link, std::uint16_t index) {
  SLUICE_TRY(const auto target, sysfs.read_link(link));
  SLUICE_TRY(const auto address, PciAddress::parse(last_part(target)));
  return read_vf(sysfs, address, index);
}

void read_vfs(const os::Root& sysfs, const std::vector<std::string>& entries, Pf& pf,
              std::vector<Broken>& broken) {
  for (const auto& entry : entries) {
    const auto index = virtfn_index(entry);
    if (!index) continue;
    const std::string link = device_path(pf.address) + "/" + entry;
    auto vf = follow_virtfn(sysfs, link, *index);
    if (vf) {
      pf.vfs.push_back(std::move(*vf));
    } else if (sysfs.read_link(link)) {  // else: the VFs were taken away meanwhile
      broken.push_back({pf.address.to_string() + "/" + entry, vf.error().to_string()});
    }
  }
  std::sort(pf.vfs.begin(), pf.vfs.end(),
            [](const Vf& a, const Vf& b) { return a.index < b.index; });
}

bool contains(const std::vector<std::string>& sorted, const char* name) {
  return std::binary_search(sorted.begin(), sorted.end(), name);
}

// A function with SR-IOV that is a network controller (class 0x02....) and no VF itself.
bool is_pf(const os::Root& sysfs, const std::string& device,
           const std::vector<std::string>& entries) {
  if (!contains(entries, "sriov_totalvfs") || contains(entries, "physfn")) return false;
  const std::string device_class = read_optional(sysfs, device + "/class");
  return device_class.empty() || device_class.starts_with("0x02");
}

Result<Pf> read_pf(const os::Root& sysfs, const PciAddress& address,
                   const std::vector<std::string>& entries, std::vector<Broken>& broken) {
  const std::string device = device_path(address);
  Pf pf;
  pf.address = address;
  SLUICE_TRY(const auto vendor, read_number(sysfs, device + "/vendor", 0xffff));
  SLUICE_TRY(const auto id, read_number(sysfs, device + "/device", 0xffff));
  SLUICE_TRY(const auto total, read_number(sysfs, device + "/sriov_totalvfs", 0xffff));
  pf.vendor = static_cast<std::uint16_t>(vendor);
  pf.device = static_cast<std::uint16_t>(id);
  pf.total_vfs = static_cast<std::uint16_t>(total);
  SLUICE_TRY(pf.driver, read_driver(sysfs, device));
  SLUICE_TRY(pf.netdev, find_netdev(sysfs, device));
  if (pf.netdev) {
    pf.switch_id = read_optional(sysfs, device + "/net/" + pf.netdev->name + "/phys_switch_id");
  }
  // "-1" (no NUMA) is not a number here, which is what it means.
  const auto numa = read_number(sysfs, device + "/numa_node", 0xffff);
  if (numa) pf.numa_node = static_cast<int>(*numa);
  read_vfs(sysfs, entries, pf, broken);
  return pf;
}

void read_device(const os::Root& sysfs, const std::string& name, Inventory& inventory) {
  const auto broken = [&](const Error& error) {
    // Gone since it was listed: not broken, just not there.
    if (sysfs.exists(std::string(kDevices) + "/" + name)) {
      inventory.broken.push_back({name, error.to_string()});
    }
  };
  const auto address = PciAddress::parse(name);
  if (!address) return broken(address.error());
  const std::string device = device_path(*address);
  const auto entries = sysfs.list(device);
  if (!entries) return broken(entries.error());
  if (!is_pf(sysfs, device, *entries)) return;
  auto pf = read_pf(sysfs, *address, *entries, inventory.broken);
  if (!pf) return broken(pf.error());
  inventory.pfs.push_back(std::move(*pf));
}

}  // namespace

Result<std::uint32_t> read_number(const os::Root& sysfs, const std::string& path,
                                  std::uint32_t limit) {
  SLUICE_TRY(const auto text, sysfs.read_line(path));
  const bool hex = text.starts_with("0x");
  std::uint32_t value = 0;
  const char* const begin = text.data() + (hex ? 2 : 0);
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(begin, end, value, hex ? 16 : 10);
  if (error != std::errc{} || next != end || value > limit) {
    return fail(Code::kInvalid, path + " holds '" + text.substr(0, 64) +
                                    "'; allowed are numbers from 0 to " + std::to_string(limit));
  }
  return value;
}

std::string read_optional(const os::Root& sysfs, const std::string& path) {
  return sysfs.read_line(path).value_or("");
}

const Vf* Inventory::find_vf(const PciAddress& address) const {
  for (const auto& pf : pfs) {
    for (const auto& vf : pf.vfs) {
      if (vf.address == address) return &vf;
    }
  }
  return nullptr;
}

const Pf* Inventory::find_pf_of(const PciAddress& vf) const {
  for (const auto& pf : pfs) {
    for (const auto& candidate : pf.vfs) {
      if (candidate.address == vf) return &pf;
    }
  }
  return nullptr;
}

Result<Inventory> read_inventory(const os::Root& sysfs) {
  auto names = sysfs.list(kDevices);
  if (!names) return fail(std::move(names).error().with("reading the NIC inventory"));
  Inventory inventory;
  for (const auto& name : *names) read_device(sysfs, name, inventory);
  std::sort(inventory.pfs.begin(), inventory.pfs.end(),
            [](const Pf& a, const Pf& b) { return a.address < b.address; });
  inventory.representors = read_representors(sysfs, inventory.broken);
  return inventory;
}

}  // namespace sluice::nic
