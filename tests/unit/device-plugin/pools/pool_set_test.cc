// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "device-plugin/pools/pool_set.h"

namespace sluice::pools {
namespace {

nic::Inventory inventory_of(std::uint8_t bus, const std::string& pf_name, unsigned vfs,
                            const std::string& driver = "vfdrv") {
  nic::Inventory out;
  nic::Pf pf;
  pf.address = {0, bus, 0, 0};
  pf.netdev = nic::Netdev{pf_name, 7, {}, true};
  pf.numa_node = 1;
  for (unsigned i = 0; i < vfs; ++i) {
    nic::Vf vf;
    // Function numbers run over into device numbers, as on hardware.
    vf.address = {0, bus, static_cast<std::uint8_t>((i + 2) / 8),
                  static_cast<std::uint8_t>((i + 2) % 8)};
    vf.index = static_cast<std::uint16_t>(i);
    vf.driver = driver;
    pf.vfs.push_back(vf);
  }
  out.pfs.push_back(pf);
  return out;
}

std::vector<std::string> ids(const std::vector<Device>& devices) {
  std::vector<std::string> out;
  for (const auto& device : devices) out.push_back(device.id);
  return out;
}

TEST_CASE("the default pool has every VF in index order, also without a netdev") {
  PoolSet set(default_pools());
  CHECK(set.update(inventory_of(0x3b, "p0", 8)));
  const auto devices = set.devices("vf");
  REQUIRE(devices.size() == 8);
  CHECK(devices.front() == Device{"0000:3b:00.2", true, "", 1});
  CHECK(devices.back().id == "0000:3b:01.1");
  CHECK(set.devices("other").empty());
}

TEST_CASE("the same inventory again is no change") {
  PoolSet set(default_pools());
  CHECK(set.update(inventory_of(0x3b, "p0", 2)));
  CHECK_FALSE(set.update(inventory_of(0x3b, "p0", 2)));
  auto other = inventory_of(0x3b, "p0", 2);
  other.pfs[0].vfs[1].driver.clear();
  CHECK(set.update(other));
}

TEST_CASE("a VF belongs to the first pool that matches, and to no other") {
  PoolSet set(parse_config(R"({"pools":[{"name":"a","selectors":{"pfNames":["p0#0-1"]}},
                                        {"name":"b","selectors":{"drivers":["vfdrv"]}},
                                        {"name":"c"}]})")
                  .value());
  set.update(inventory_of(0x3b, "p0", 4));
  CHECK(ids(set.devices("a")) == std::vector<std::string>{"0000:3b:00.2", "0000:3b:00.3"});
  CHECK(ids(set.devices("b")) == std::vector<std::string>{"0000:3b:00.4", "0000:3b:00.5"});
  CHECK(set.devices("c").empty());
}

TEST_CASE("health: driver bound, in the inventory; membership survives both") {
  PoolSet set(
      parse_config(R"({"pools":[{"name":"a","selectors":{"drivers":["vfdrv"]}}]})").value());
  set.update(inventory_of(0x3b, "p0", 2));
  auto unbound = inventory_of(0x3b, "p0", 2);
  unbound.pfs[0].vfs[0].driver.clear();
  CHECK(set.update(unbound));
  CHECK(set.devices("a")[0] == Device{"0000:3b:00.2", false, "no driver is bound", 1});
  CHECK(set.devices("a")[1].healthy);

  CHECK(set.update(inventory_of(0x3b, "p0", 1)));
  CHECK(set.devices("a")[0].healthy);
  CHECK(set.devices("a")[1] == Device{"0000:3b:00.3", false, "gone from the node", 1});

  CHECK(set.update({}));
  REQUIRE(set.devices("a").size() == 2);
  CHECK_FALSE(set.devices("a")[0].healthy);

  CHECK(set.update(inventory_of(0x3b, "p0", 2)));
  CHECK(set.devices("a")[1] == Device{"0000:3b:00.3", true, "", 1});
}

TEST_CASE("a VF that never had a driver is listed where selectors allow it, unhealthy") {
  PoolSet set(default_pools());
  set.update(inventory_of(0x3b, "p0", 1, ""));
  REQUIRE(set.devices("vf").size() == 1);
  CHECK_FALSE(set.devices("vf")[0].healthy);
}

}  // namespace
}  // namespace sluice::pools
