// SPDX-License-Identifier: Apache-2.0
// A server model: two sockets, each with two root ports, below each a PCIe switch with two GPUs and
// two NICs. Everything is numbered in that order: switch s has GPUs and NICs 2s and 2s + 1, and
// NICs 0-3 are on NUMA node 0.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "device-plugin/topology/preferred.h"

namespace sluice::topology::test {

using Path = std::vector<nic::PciAddress>;

struct Server {
  static constexpr std::uint32_t kSwitches = 4;
  static constexpr std::uint32_t kNics = 8;

  static nic::PciAddress at(std::uint32_t bus, std::uint32_t device) {
    return {0, static_cast<std::uint8_t>(bus), static_cast<std::uint8_t>(device), 0};
  }
  // Root buses 0x00 and 0x80; on each, root ports 1 and 2; the switch's upstream port behind, then
  // a downstream port for each of its four devices.
  static std::uint32_t root_bus(std::uint32_t number) { return number < 2 ? 0x00U : 0x80U; }
  static std::uint32_t upstream_bus(std::uint32_t number) {
    return root_bus(number) + 0x10 + 0x20 * (number % 2);
  }
  static Path bridges(std::uint32_t number, std::uint32_t slot) {
    return {at(root_bus(number), 1 + number % 2), at(upstream_bus(number), 0),
            at(upstream_bus(number) + 1, slot)};
  }
  static nic::PciAddress device(std::uint32_t number, std::uint32_t slot) {
    return at(upstream_bus(number) + 2 + slot, 0);
  }
  static Path gpu(std::uint32_t number) {  // with its own address
    Path path = bridges(number / 2, number % 2);
    path.push_back(device(number / 2, number % 2));
    return path;
  }
  static std::string pf(std::uint32_t number) {
    return device(number / 2, 2 + number % 2).to_string();
  }
  static std::string root(std::uint32_t number) { return number < 4 ? "pci0000:00" : "pci0000:80"; }

  // A VF of NIC `number`: "nic3vf1". A PF that is offered itself: "nic3".
  static Place vf(std::uint32_t number, std::uint32_t index, std::uint32_t free_on_pf = 0) {
    return {"nic" + std::to_string(number) + "vf" + std::to_string(index),
            pf(number),
            index,
            number,
            free_on_pf,
            number < 4 ? 0 : 1,
            bridges(number / 2, 2 + number % 2)};
  }
  static Place port(std::uint32_t number) {
    Place place = vf(number, 0, 1);
    place.id = "nic" + std::to_string(number);
    return place;
  }
  static std::vector<Place> ports() {
    std::vector<Place> places;
    for (std::uint32_t n = 0; n < kNics; ++n) places.push_back(port(n));
    return places;
  }
};

inline std::vector<std::string> ids_of(const std::vector<Place>& places) {
  std::vector<std::string> ids;
  for (const auto& place : places) ids.push_back(place.id);
  return ids;
}

}  // namespace sluice::topology::test
