// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/nics.h"

#include <doctest/doctest.h>

#include "tests/support/fake_sysfs/fake_sysfs.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::cni;

namespace {

constexpr const char* kPf = "0000:3b:00.0";

// A PF `p0` with four VFs, each with a netdev.
struct Node {
  test::TempDir dir;
  testing::FakeSysfs sysfs{dir.path()};
  std::vector<std::string> vfs;
  Nics nics;

  Node() {
    sysfs.add_pf(kPf, "mlx5_core", "p0");
    vfs = sysfs.add_vfs(kPf, 4, "mlx5_core", true);
  }
  Result<Nics::VfNow> vf(const std::string& address) {
    return nics.vf(sysfs.path(), *nic::PciAddress::parse(address));
  }
};

}  // namespace

TEST_CASE("A VF is found with its index and its PF, others are not read") {
  Node node;
  const auto now = node.vf(node.vfs[2]);
  REQUIRE(now);
  CHECK(now->vf.index == 2);
  CHECK(now->vf.address.to_string() == node.vfs[2]);
  CHECK(now->vf.netdev->name == "p0v2");
  CHECK(now->pf->address.to_string() == kPf);
  CHECK(now->pf->netdev->name == "p0");
  CHECK(now->pf->vfs.size() == 1);
}

TEST_CASE("Where its netdev is, is read anew with each question") {
  Node node;
  REQUIRE(node.vf(node.vfs[1])->vf.netdev);
  node.sysfs.remove_netdev("p0v1");
  CHECK_FALSE(node.vf(node.vfs[1])->vf.netdev);
}

TEST_CASE("A VF that only one of the two witnesses knows is none") {
  Node node;
  node.sysfs.remove("bus/pci/devices/" + std::string(kPf) + "/virtfn3");
  const auto now = node.vf(node.vfs[3]);
  REQUIRE_FALSE(now);
  CHECK(now.error().code == Code::kNotFound);
  CHECK(now.error().message.find(node.vfs[0]) != std::string::npos);  // the VFs that there are
}

TEST_CASE("A VF that has gone is none, and one that came is found") {
  Node node;
  REQUIRE(node.vf(node.vfs[3]));
  node.sysfs.remove_vf(kPf, 3, node.vfs[3]);
  CHECK(node.vf(node.vfs[3]).error().code == Code::kNotFound);
  node.sysfs.add_vf(kPf, 3, node.vfs[3], "mlx5_core");
  CHECK(node.vf(node.vfs[3])->vf.index == 3);
}

TEST_CASE("A representor is never taken for the PF's netdev") {
  Node node;
  testing::NetdevSpec representor;
  representor.physical_port_name = "pf0vf0";
  representor.physical_switch_id = "aa";
  SUBCASE("beside the uplink") {
    node.sysfs.set_netdev("p0", "phys_port_name", "p0");
    node.sysfs.set_netdev("p0", "phys_switch_id", "aa");
    node.sysfs.add_netdev(kPf, "a0", representor);
    CHECK(node.vf(node.vfs[0])->pf->netdev->name == "p0");
  }
  SUBCASE("alone") {
    node.sysfs.remove_netdev("p0");
    node.sysfs.add_netdev(kPf, "a0", representor);
    CHECK_FALSE(node.vf(node.vfs[0])->pf->netdev);
  }
}
