// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/nic/machine.h"

using namespace sluice;
using namespace sluice::nic;

namespace {

testing::NetdevSpec port(const char* name, const char* switch_id = "aabb01") {
  testing::NetdevSpec spec;
  spec.physical_port_name = name;
  spec.physical_switch_id = switch_id;
  return spec;
}

}  // namespace

TEST_CASE("In switchdev mode the PF's netdev is the uplink, and representors are found") {
  Machine machine;
  const std::string pf_name = "0000:3b:00.0";
  machine.sysfs.add_pf(pf_name, "mlx5_core", "");
  machine.sysfs.add_netdev(pf_name, "a_rep3", port("pf0vf3"));  // sorts before the uplink
  machine.sysfs.add_netdev(pf_name, "b_host", port("c1pf0"));
  machine.sysfs.add_netdev(pf_name, "c_sf", port("pf0sf7"));
  machine.sysfs.add_netdev(pf_name, "d_plain", testing::NetdevSpec{});
  machine.sysfs.add_netdev(pf_name, "ens1f0", port("p0"));
  machine.sysfs.add_virtual_netdev("z_rep4", port("pf0vf4"));
  machine.sysfs.add_virtual_netdev("lo", testing::NetdevSpec{});
  machine.sysfs.add_virtual_netdev("strange", port("swp7"));
  const auto inventory = machine.read();
  CHECK(inventory.broken.empty());
  REQUIRE(inventory.pfs.size() == 1);
  const Pf& pf = inventory.pfs[0];
  REQUIRE(pf.netdev);
  CHECK(pf.netdev->name == "ens1f0");
  CHECK(pf.netdev->physical_port_name == "p0");
  CHECK(pf.switch_id == "aabb01");
  REQUIRE(pf.more_netdevs.size() == 1);
  CHECK(pf.more_netdevs[0].name == "d_plain");
  const auto& found = inventory.representors;
  REQUIRE(found.size() == 5);
  CHECK(found[0].name == "a_rep3");
  CHECK(found[0].vf == 3);
  CHECK(found[0].switch_id == "aabb01");
  CHECK(found[1].name == "b_host");
  CHECK_FALSE(found[1].vf);
  CHECK(found[2].name == "c_sf");
  CHECK(found[2].sf == 7);
  CHECK_FALSE(found[2].vf);
  CHECK(found[3].name == "ens1f0");
  CHECK(found[4].name == "z_rep4");
  CHECK(found[4].vf == 4);
}

TEST_CASE("A port name without a switch is no representor") {
  Machine machine;
  machine.sysfs.add_pf("0000:3b:00.0", "ice", "");
  machine.sysfs.add_netdev("0000:3b:00.0", "ens1f0", port("p0", ""));
  const auto inventory = machine.read();
  CHECK(inventory.pfs[0].netdev->name == "ens1f0");
  CHECK(inventory.pfs[0].switch_id.empty());
  CHECK(inventory.representors.empty());
}

TEST_CASE("A PF in switchdev mode that has only representors has no netdev of its own") {
  Machine machine;
  machine.sysfs.add_pf("0000:3b:00.0", "mlx5_core", "");
  machine.sysfs.add_netdev("0000:3b:00.0", "rep0", port("pf0vf0"));
  CHECK_FALSE(machine.pf().netdev);
}
