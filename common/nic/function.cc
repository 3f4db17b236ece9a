// SPDX-License-Identifier: Apache-2.0
// What every PCI function has.
#include <algorithm>

#include "common/nic/reader.h"

namespace sluice::nic {
namespace {

constexpr std::size_t kMaxPerFunction = 64;  // netdevs, vDPA devices

void keep(std::vector<std::string>& list, const std::string& name, std::size_t limit) {
  if (list.size() < limit && name.size() <= kMaxName) list.push_back(name);
}

// The first name in a directory that looks right, by number.
std::string first_of(const os::Root& sysfs, const std::string& directory, std::string_view prefix) {
  const auto names = list_optional(sysfs, directory);
  if (!names) return {};
  std::optional<std::uint32_t> lowest;
  for (const auto& name : *names) {
    const auto number = number_behind(name, prefix);
    if (number && (!lowest || *number < *lowest)) lowest = number;
  }
  return lowest ? std::string(prefix) + std::to_string(*lowest) : std::string();
}

}  // namespace

Entries parse_entries(const std::vector<std::string>& names) {
  constexpr std::size_t kMaxSfs = 4096;
  struct Flag {
    std::string_view name;
    bool Entries::*set;
  };
  static constexpr Flag kFlags[] = {
      {"acpi_index", &Entries::acpi_index},   {"driver", &Entries::driver},
      {"infiniband", &Entries::infiniband},   {"infiniband_cm", &Entries::cm},
      {"infiniband_mad", &Entries::mad},      {"infiniband_verbs", &Entries::verbs},
      {"iommu_group", &Entries::iommu_group}, {"net", &Entries::net},
      {"numa_node", &Entries::numa_node},     {"physfn", &Entries::physfn},
      {"sriov_totalvfs", &Entries::sriov},    {"uio", &Entries::uio},
      {"vfio-dev", &Entries::vfio},
  };
  Entries entries;
  for (const auto& name : names) {
    const auto* const flag = std::find_if(std::begin(kFlags), std::end(kFlags),
                                          [&](const Flag& f) { return f.name == name; });
    if (flag != std::end(kFlags)) {
      entries.*(flag->set) = true;
    } else if (const auto index = number_behind(name, "virtfn"); index && *index <= 0xffff) {
      entries.virtfns.push_back(static_cast<std::uint16_t>(*index));
    } else if (number_behind(name, "vdpa")) {
      keep(entries.vdpa, name, kMaxPerFunction);
    } else if (number_behind(name, "virtio")) {
      keep(entries.virtio, name, kMaxPerFunction);
    } else if (parse_sf_name(name)) {
      keep(entries.sfs, name, kMaxSfs);
    }
  }
  std::sort(entries.virtfns.begin(), entries.virtfns.end());
  return entries;
}

CharDevices::CharDevices(const std::string& dev_root) {
  const auto dev = os::Root::open(dev_root);
  if (!dev) return;
  vhost_net_ = dev->exists("vhost-net");
  const auto fill = [&](const char* directory, std::set<std::string, std::less<>>& into) {
    const auto names = dev->list(directory);
    if (names) into.insert(names->begin(), names->end());
  };
  fill("infiniband", infiniband_);
  fill("vfio/devices", vfio_);
}

std::string CharDevices::infiniband(const std::string& name) const {
  return infiniband_.contains(name) ? "/dev/infiniband/" + name : std::string();
}

void Reader::read_function(const Candidate& candidate, Ports ports, Function& function,
                           Problems& problems) {
  const std::string& device = candidate.directory;
  const Entries& entries = candidate.entries;
  function.address = candidate.address;
  function.class_code = candidate.class_code;
  function.pcie_path = candidate.place.path;
  function.pcie_root = candidate.place.root;
  const auto id = [&](const char* name) -> std::uint16_t {
    const auto value = read_number(sysfs_, device + "/" + name, 0xffff);
    if (value) return static_cast<std::uint16_t>(*value);
    problems.push_back(value.error());
    return 0;
  };
  function.vendor = id("vendor");
  function.device = id("device");
  if (entries.driver) {
    auto driver = read_link_name(sysfs_, device + "/driver");
    if (driver) {
      function.driver = std::move(*driver);
    } else {
      problems.push_back(driver.error());
    }
  }
  // "-1" (no NUMA) is not a number here, which is what it means.
  if (entries.numa_node) {
    const auto node = parse_number(read_optional(sysfs_, device + "/numa_node"), 0xffff);
    if (node) function.numa_node = static_cast<int>(*node);
  }
  if (entries.acpi_index) function.acpi_index = read_optional(sysfs_, device + "/acpi_index");

  std::vector<Netdev> netdevs;
  if (entries.net) read_netdevs(device + "/net", ports, netdevs, problems);
  for (const auto& bus : entries.virtio) {
    read_netdevs(device + "/" + bus + "/net", ports, netdevs, problems);
  }
  if (!netdevs.empty()) {
    function.netdev = std::move(netdevs.front());
    const auto rest = std::min(netdevs.size(), kMaxPerFunction);
    for (std::size_t i = 1; i < rest; ++i) function.more_netdevs.push_back(std::move(netdevs[i]));
  }
  if (user_space_devices_) {
    function.rdma = read_rdma(device, entries);
    function.vdpa = read_vdpa(device, entries);
  }
  read_user_space_devices(device, entries, function);
}

void Reader::read_user_space_devices(const std::string& device, const Entries& entries,
                                     Function& function) {
  if (entries.iommu_group) {
    const auto group = read_link_name(sysfs_, device + "/iommu_group");
    // A number, always; anything else would become part of a path.
    if (group && number_behind(*group, "")) function.iommu_group = *group;
    // vfio makes such a group when it takes the device, so nobody else needs to look.
    if (function.driver.find("vfio") != std::string::npos) {
      function.iommu_noiommu =
          read_optional(sysfs_, device + "/iommu_group/name") == "vfio-noiommu";
    }
  }
  if (!user_space_devices_) return;
  if (entries.vfio) {
    std::string name = first_of(sysfs_, device + "/vfio-dev", "vfio");
    if (nodes_.vfio_device(name)) function.vfio_device = std::move(name);
  }
  if (entries.uio) function.uio_device = first_of(sysfs_, device + "/uio", "uio");
}

}  // namespace sluice::nic
