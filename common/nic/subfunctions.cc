// SPDX-License-Identifier: Apache-2.0
// What lies below a function: subfunctions and vDPA devices.
// Source: Documentation/networking/devlink/devlink-port.rst,
// Documentation/ABI/testing/sysfs-bus-vdpa.
#include <algorithm>

#include "common/nic/reader.h"

namespace sluice::nic {

std::vector<VdpaDevice> Reader::read_vdpa(const std::string& device, const Entries& entries) {
  std::vector<VdpaDevice> devices;
  for (const auto& name : entries.vdpa) {
    const std::string path = device + "/" + name;
    VdpaDevice found;
    found.name = name;
    found.driver = read_link_name(sysfs_, path + "/driver").value_or("");
    if (found.driver == "vhost_vdpa") {
      const auto below = list_optional(sysfs_, path);
      if (!below) continue;
      for (const auto& entry : *below) {
        if (number_behind(entry, "vhost-vdpa-")) found.char_device = "/dev/" + entry;
      }
    }
    devices.push_back(std::move(found));
  }
  return devices;
}

Result<Sf> Reader::read_sf(const std::string& path, const std::string& name) {
  Sf sf;
  sf.name = name;
  SLUICE_TRY(sf.number, read_number(sysfs_, path + "/sfnum"));
  SLUICE_TRY(const auto names, sysfs_.list(path));
  const Entries entries = parse_entries(names);
  if (entries.driver) {
    SLUICE_TRY(sf.driver, read_link_name(sysfs_, path + "/driver"));
  }
  std::vector<Netdev> netdevs;
  Problems problems;
  if (entries.net) read_netdevs(path + "/net", Ports::kOwn, netdevs, problems);
  if (!problems.empty()) return fail(std::move(problems.front()));
  if (!netdevs.empty()) sf.netdev = std::move(netdevs.front());
  if (user_space_devices_) sf.rdma = read_rdma(path, entries);
  return sf;
}

void Reader::read_sfs(const std::string& device, const Entries& entries, Pf& pf) {
  for (const auto& name : entries.sfs) {
    const std::string path = device + "/" + name;
    auto sf = read_sf(path, name);
    if (sf) {
      pf.sfs.push_back(std::move(*sf));
    } else {
      report(pf.address.to_string() + "/" + name, path, {sf.error()});
    }
  }
  std::sort(pf.sfs.begin(), pf.sfs.end(),
            [](const Sf& a, const Sf& b) { return a.number < b.number; });
}

}  // namespace sluice::nic
