// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/rails.h"

#include <doctest/doctest.h>

namespace sluice::broker {
namespace {

nic::Inventory two_pfs() {
  nic::Inventory inventory;
  for (const std::uint8_t bus : {std::uint8_t{0x08}, std::uint8_t{0x09}}) {
    nic::Pf pf;
    pf.address = nic::PciAddress{0, bus, 0, 0};
    nic::Netdev netdev;
    netdev.name = std::string(bus == 0x08 ? "p0" : "p1");
    pf.netdev = netdev;
    for (std::uint8_t i = 0; i < 2; ++i) {
      nic::Vf vf;
      vf.address = nic::PciAddress{0, bus, 0, static_cast<std::uint8_t>(i + 1)};
      vf.index = i;
      pf.vfs.push_back(vf);
    }
    inventory.pfs.push_back(pf);
  }
  return inventory;
}

}  // namespace

TEST_CASE("a rail is what the configuration says, or the PF's place") {
  const auto inventory = two_pfs();
  config::Config config;
  const auto all = pools::candidates(inventory);
  for (const auto& candidate : all) {
    CHECK(rail_of(candidate, inventory, config) == (candidate.pf->address.bus == 0x08 ? 0U : 1U));
  }
  config.rails = {{"p0", 5}, {"0000:09:00.0", 7}};
  for (const auto& candidate : all) {
    CHECK(rail_of(candidate, inventory, config) == (candidate.pf->address.bus == 0x08 ? 5U : 7U));
  }
}

}  // namespace sluice::broker
