// SPDX-License-Identifier: Apache-2.0
// Network interfaces of functions, and the representors among them.
#include <algorithm>

#include "common/nic/reader.h"

namespace sluice::nic {

// `netdev` brings name and port name. The rest is what the kernel says of any netdev.
Result<Netdev> Reader::read_netdev(const std::string& path, Netdev netdev) {
  SLUICE_TRY(netdev.if_index, read_number(sysfs_, path + "/ifindex"));
  SLUICE_TRY(const auto address, read_attribute(sysfs_, path + "/address"));
  // InfiniBand has 20 bytes: no MAC, and nothing wrong with it.
  constexpr std::size_t kInfinibandText = 59;
  if (address.size() != kInfinibandText) {
    auto mac = MacAddr::parse(std::string_view(address).substr(0, 64));
    if (!mac) return fail(std::move(mac).error().with("reading " + path + "/address"));
    netdev.mac = *mac;
  }
  // Not readable while the link is down.
  netdev.carrier = read_optional(sysfs_, path + "/carrier") == "1";
  if (const auto type = read_number_or_zero(sysfs_, path + "/type", 0xffff); type != 0) {
    netdev.type = static_cast<std::uint16_t>(type);
  }
  netdev.mtu = read_number_or_zero(sysfs_, path + "/mtu");
  // A driver without a link answers with an error or with what it last had.
  if (netdev.carrier) netdev.speed_mbps = read_number_or_zero(sysfs_, path + "/speed");
  return netdev;
}

// Remembers that this one was looked at, and whether it stands for another port.
void Reader::note_port(const Netdev& netdev) {
  seen_netdevs_.insert(netdev.name);
  const auto port = parse_port_name(netdev.physical_port_name);
  if (!port || netdev.physical_switch_id.empty()) return;
  inventory_.representors.push_back(
      {netdev.name, netdev.physical_switch_id, port->pf, port->vf, port->sf});
}

// The function's own netdevs; an uplink goes first. In switchdev mode a PF's directory also holds
// the representors of its VFs.
void Reader::read_netdevs(const std::string& directory, Ports ports, std::vector<Netdev>& found,
                          Problems& problems) {
  const auto names = list_optional(sysfs_, directory);
  if (!names) {
    problems.push_back(names.error());
    return;
  }
  std::optional<Netdev> uplink;
  for (const auto& name : *names) {
    const std::string path = directory + "/" + name;
    Netdev netdev;
    netdev.name = name;
    // A VF's or subfunction's own netdev is no port of an eswitch: not asked, it is two reads a VF.
    if (ports == Ports::kWithRepresentors) {
      netdev.physical_port_name = read_optional(sysfs_, path + "/phys_port_name");
      netdev.physical_switch_id = read_optional(sysfs_, path + "/phys_switch_id");
    }
    note_port(netdev);
    const auto port = parse_port_name(netdev.physical_port_name);
    if (port && !port->uplink) continue;
    auto read = read_netdev(path, std::move(netdev));
    if (!read) {
      // Renamed or moved away since it was listed: the same as not having been there.
      if (sysfs_.exists(path)) problems.push_back(read.error());
      continue;
    }
    if (port && port->uplink && !uplink) {
      uplink = std::move(*read);
    } else {
      found.push_back(std::move(*read));
    }
  }
  if (uplink) found.insert(found.begin(), std::move(*uplink));
}

void Reader::read_representors() {
  const auto names = list_optional(sysfs_, "class/net");
  if (!names) {
    inventory_.broken.push_back({"class/net", names.error().to_string()});
  } else {
    for (const auto& name : *names) {
      if (seen_netdevs_.contains(name)) continue;
      const std::string path = "class/net/" + name;
      Netdev netdev;
      netdev.physical_port_name = read_optional(sysfs_, path + "/phys_port_name");
      if (netdev.physical_port_name.empty()) continue;
      netdev.name = name;
      netdev.physical_switch_id = read_optional(sysfs_, path + "/phys_switch_id");
      note_port(netdev);
    }
  }
  auto& all = inventory_.representors;
  std::sort(all.begin(), all.end(),
            [](const Representor& a, const Representor& b) { return a.name < b.name; });
}

}  // namespace sluice::nic
