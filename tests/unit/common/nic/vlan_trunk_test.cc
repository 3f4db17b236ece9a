// SPDX-License-Identifier: Apache-2.0
#include "common/nic/vlan_trunk.h"

#include <doctest/doctest.h>

#include "tests/unit/common/nic/machine.h"

using namespace sluice;
using namespace sluice::nic;

namespace {

using Ranges = std::vector<VlanRange>;

// A PF whose driver has the file for VF 3.
struct Trunk : Machine {
  explicit Trunk(const std::string& now) {
    sysfs.add_pf("0000:3b:00.0", "mlx5_core", "ens1f0");
    sysfs.set("0000:3b:00.0", "sriov/3/trunk", now);
  }
  Status set(const Ranges& wanted) { return set_vlan_trunk(root, pf_address, 3, wanted); }
  std::string last_write() const {
    return *root.read_line("bus/pci/devices/0000:3b:00.0/sriov/3/trunk");
  }

  os::Root root = *os::Root::open(sysfs.path());
  PciAddress pf_address = at("0000:3b:00.0");
};

}  // namespace

TEST_CASE("Both dialects are read") {
  CHECK(*parse_vlan_trunk("Allowed 802.1Q VLANs: 100-105,200\n") == Ranges{{100, 105}, {200, 200}});
  CHECK(*parse_vlan_trunk("200,100-105") == Ranges{{100, 105}, {200, 200}});
  CHECK(*parse_vlan_trunk("1 2\t3\n4094") == Ranges{{1, 3}, {4094, 4094}});
  CHECK(*parse_vlan_trunk("5-9,7-12,13") == Ranges{{5, 13}});
  for (const char* none : {"", "\n", "none", "Allowed 802.1Q VLANs: \n"}) {
    CHECK(parse_vlan_trunk(none)->empty());
  }
}

TEST_CASE("What is no list of VLANs is an error") {
  for (const char* bad : {"0", "4095", "5-4095", "9-5", "5-", "-5", "5-6-7", "x5", "5;6", "0x",
                          "99999999999", "5 none"}) {
    INFO(bad);
    const auto parsed = parse_vlan_trunk(bad);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Code::kInvalid);
  }
  CHECK(parse_vlan_trunk(std::string(100000, '7')).error().message.size() < 400);
}

TEST_CASE("Only the difference is written") {
  Trunk trunk("Allowed 802.1Q VLANs: 100-105");
  CHECK(*read_vlan_trunk(trunk.root, trunk.pf_address, 3) == Ranges{{100, 105}});
  SUBCASE("nothing to do") {
    REQUIRE(trunk.set({{100, 103}, {104, 105}}));
    CHECK(trunk.last_write() == "Allowed 802.1Q VLANs: 100-105");
  }
  SUBCASE("more") {
    REQUIRE(trunk.set({{100, 110}}));
    CHECK(trunk.last_write() == "add 106 110");
  }
  SUBCASE("fewer") {
    REQUIRE(trunk.set({{100, 102}}));
    CHECK(trunk.last_write() == "rem 103 105");
  }
  SUBCASE("none") {
    REQUIRE(trunk.set({}));
    CHECK(trunk.last_write() == "rem 100 105");
  }
  SUBCASE("others") {
    REQUIRE(trunk.set({{300, 300}}));
    CHECK(trunk.last_write() == "add 300 300");
  }
}

TEST_CASE("Ranges that can't be are refused before anything is written") {
  for (const Ranges& bad : {Ranges{{0, 5}}, Ranges{{5, 4095}}, Ranges{{9, 5}}}) {
    Trunk trunk("1");
    CHECK(trunk.set(bad).error().code == Code::kInvalid);
    CHECK(trunk.last_write() == "1");
  }
}

TEST_CASE("A driver without trunks says so, for any VF") {
  Trunk trunk("1");
  CHECK(read_vlan_trunk(trunk.root, trunk.pf_address, 4).error().code == Code::kUnsupported);
  CHECK(set_vlan_trunk(trunk.root, trunk.pf_address, 4, {}).error().code == Code::kUnsupported);
  CHECK(read_vlan_trunk(trunk.root, at("0000:3b:00.1"), 3).error().code == Code::kUnsupported);
}

TEST_CASE("A file that goes on for ever is an error") {
  Trunk trunk(std::string(40000, ' '));
  CHECK(read_vlan_trunk(trunk.root, trunk.pf_address, 3).error().code == Code::kInvalid);
}
