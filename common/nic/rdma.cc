// SPDX-License-Identifier: Apache-2.0
// RDMA devices of a function or subfunction: ports, and the character devices they are used by.
// Source: Documentation/ABI/stable/sysfs-class-infiniband.
#include <algorithm>

#include "common/nic/reader.h"

namespace sluice::nic {
namespace {

constexpr std::size_t kMaxDevices = 32, kMaxPorts = 32, kMaxPkeys = 1024;

// The names "<prefix><number>" of a list, in the order of their numbers.
std::vector<std::pair<std::uint32_t, std::string>> numbered(const std::vector<std::string>& names,
                                                            std::string_view prefix,
                                                            std::size_t limit) {
  std::vector<std::pair<std::uint32_t, std::string>> found;
  for (const auto& name : names) {
    if (const auto number = number_behind(name, prefix)) found.emplace_back(*number, name);
  }
  std::sort(found.begin(), found.end());
  if (found.size() > limit) found.resize(limit);
  return found;
}

}  // namespace

RdmaDevice::Port Reader::read_rdma_port(const std::string& path, std::uint16_t number) {
  RdmaDevice::Port port;
  port.number = number;
  port.state = parse_rdma_state(read_optional(sysfs_, path + "/state"));
  port.physical_state = parse_rdma_state(read_optional(sysfs_, path + "/phys_state"));
  port.link_layer = read_optional(sysfs_, path + "/link_layer");
  const auto slots = list_optional(sysfs_, path + "/pkeys");
  if (!slots) return port;
  for (const auto& [slot, name] : numbered(*slots, "", kMaxPkeys)) {
    const auto pkey = parse_pkey(read_optional(sysfs_, path + "/pkeys/" + name));
    if (pkey && *pkey != 0) port.pkeys.push_back(*pkey);
  }
  return port;
}

std::vector<RdmaDevice> Reader::read_rdma(const std::string& device, const Entries& entries) {
  std::vector<RdmaDevice> devices;
  if (!entries.infiniband) return devices;
  const auto names = list_optional(sysfs_, device + "/infiniband");
  if (!names) return devices;
  for (const auto& name : *names) {
    if (devices.size() == kMaxDevices) break;
    RdmaDevice found;
    found.name = name;
    const std::string ports = device + "/infiniband/" + name + "/ports";
    const auto numbers = list_optional(sysfs_, ports);
    if (!numbers) continue;
    for (const auto& [number, entry] : numbered(*numbers, "", kMaxPorts)) {
      if (number > 0xffff) break;
      found.ports.push_back(
          read_rdma_port(ports + "/" + entry, static_cast<std::uint16_t>(number)));
    }
    devices.push_back(std::move(found));
  }
  if (devices.empty()) return devices;
  if (entries.verbs) assign_char_devices(device + "/infiniband_verbs", devices);
  if (entries.mad) assign_char_devices(device + "/infiniband_mad", devices);
  if (entries.cm) assign_char_devices(device + "/infiniband_cm", devices);
  return devices;
}

// `directory` is one of the classes' directories below the device; the entries say in `ibdev` which
// RDMA device they are of, which needs asking only where there are several.
void Reader::assign_char_devices(const std::string& directory, std::vector<RdmaDevice>& devices) {
  struct Kind {
    std::string_view prefix;
    std::string RdmaDevice::*path;
  };
  static constexpr Kind kKinds[] = {{"uverbs", &RdmaDevice::uverbs},
                                    {"umad", &RdmaDevice::umad},
                                    {"issm", &RdmaDevice::issm},
                                    {"ucm", &RdmaDevice::ucm}};
  const auto names = list_optional(sysfs_, directory);
  if (!names) return;
  for (const Kind& kind : kKinds) {
    // The kernel numbers the ports of a device upwards: the lowest is the first port's.
    for (const auto& [number, name] : numbered(*names, kind.prefix, kMaxDevices * kMaxPorts)) {
      const std::string owner = devices.size() == 1
                                    ? devices.front().name
                                    : read_optional(sysfs_, directory + "/" + name + "/ibdev");
      const auto device = std::find_if(devices.begin(), devices.end(),
                                       [&](const RdmaDevice& d) { return d.name == owner; });
      if (device == devices.end() || !((*device).*(kind.path)).empty()) continue;
      (*device).*(kind.path) = nodes_.infiniband(name);
    }
  }
}

}  // namespace sluice::nic
