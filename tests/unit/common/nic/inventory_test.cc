// SPDX-License-Identifier: Apache-2.0
#include "common/nic/inventory.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::nic;

namespace {

// A sysfs tree with the kernel's own shape: devices below devices/, the rest are links.
class Tree {
 public:
  std::string device(const std::string& address) const { return "devices/pci0000:3a/" + address; }

  void pci(const std::string& address, const std::string& driver) const {
    dir.file(device(address) + "/vendor", "0x15b3\n");
    dir.file(device(address) + "/device", "0x101d\n");
    dir.file(device(address) + "/class", "0x020000\n");
    dir.file(device(address) + "/numa_node", "-1\n");
    if (!driver.empty()) {
      dir.directory("bus/pci/drivers/" + driver);
      dir.link(device(address) + "/driver", "../../../bus/pci/drivers/" + driver);
    }
    dir.link("bus/pci/devices/" + address, "../../../" + device(address));
  }

  void netdev(const std::string& address, const std::string& name, int index,
              const std::string& mac) const {
    const std::string path = device(address) + "/net/" + name;
    dir.file(path + "/ifindex", std::to_string(index) + "\n");
    dir.file(path + "/address", mac + "\n");
    dir.file(path + "/carrier", "1\n");
    dir.link("class/net/" + name, "../../" + path);
  }

  void pf(const std::string& address, int total) const {
    pci(address, "mlx5_core");
    dir.file(device(address) + "/sriov_totalvfs", std::to_string(total) + "\n");
    dir.file(device(address) + "/sriov_numvfs", "0\n");
  }

  void vf(const std::string& pf_address, int index, const std::string& address,
          const std::string& driver) const {
    pci(address, driver);
    dir.link(device(address) + "/physfn", "../" + pf_address);
    dir.link(device(pf_address) + "/virtfn" + std::to_string(index), "../" + address);
  }

  Inventory read() const {
    const auto root = os::Root::open(dir.path());
    REQUIRE(root);
    auto inventory = read_inventory(*root);
    REQUIRE(inventory);
    return *inventory;
  }

  test::TempDir dir;
};

// Two PFs; the first has twelve VFs, so that "virtfn10" sorts before "virtfn2" by name.
void fill(const Tree& tree) {
  tree.pf("0000:3b:00.0", 12);
  tree.netdev("0000:3b:00.0", "ens1f0", 4, "02:00:00:00:00:01");
  tree.pf("0000:3b:00.1", 0);
  for (int i = 0; i < 12; ++i) {
    const char digit = "0123456789ab"[i];
    const std::string address =
        i < 8 ? std::string("0000:3b:02.") + digit : std::string("0000:3b:03.") + "01234567"[i - 8];
    tree.vf("0000:3b:00.0", i, address, i == 0 ? "" : i == 1 ? "vfio-pci" : "mlx5_core");
    if (i == 2) tree.netdev(address, "ens1f0v2", 12, "02:00:00:00:01:02");
  }
}

}  // namespace

TEST_CASE("PFs and their VFs are found, in order") {
  const Tree tree;
  fill(tree);
  const auto inventory = tree.read();
  CHECK(inventory.broken.empty());
  REQUIRE(inventory.pfs.size() == 2);
  const Pf& pf = inventory.pfs[0];
  CHECK(pf.address.to_string() == "0000:3b:00.0");
  CHECK(pf.vendor == 0x15b3);
  CHECK(pf.device == 0x101d);
  CHECK(pf.driver == "mlx5_core");
  CHECK(pf.total_vfs == 12);
  CHECK_FALSE(pf.numa_node);
  CHECK(pf.switch_id.empty());
  REQUIRE(pf.netdev);
  CHECK(pf.netdev->name == "ens1f0");
  CHECK(pf.netdev->if_index == 4);
  CHECK(pf.netdev->mac.to_string() == "02:00:00:00:00:01");
  CHECK(pf.netdev->carrier);
  REQUIRE(pf.vfs.size() == 12);
  for (std::uint16_t i = 0; i < 12; ++i) CHECK(pf.vfs[i].index == i);
  CHECK(pf.vfs[0].driver.empty());
  CHECK(pf.vfs[1].driver == "vfio-pci");
  CHECK_FALSE(pf.vfs[1].netdev);
  REQUIRE(pf.vfs[2].netdev);
  CHECK(pf.vfs[2].netdev->name == "ens1f0v2");
  CHECK(inventory.pfs[1].vfs.empty());
  CHECK_FALSE(inventory.pfs[1].netdev);
}

TEST_CASE("A VF and its PF are found by the VF's address") {
  const Tree tree;
  fill(tree);
  const auto inventory = tree.read();
  const auto address = *PciAddress::parse("0000:3b:02.5");
  REQUIRE(inventory.find_vf(address) != nullptr);
  CHECK(inventory.find_vf(address)->index == 5);
  CHECK(inventory.find_pf_of(address) == &inventory.pfs[0]);
  const auto pf = *PciAddress::parse("0000:3b:00.0");
  CHECK(inventory.find_vf(pf) == nullptr);
  CHECK(inventory.find_pf_of(pf) == nullptr);
}

TEST_CASE("A broken PF is named and hides no other") {
  const Tree tree;
  fill(tree);
  tree.dir.file(tree.device("0000:3b:00.1") + "/sriov_totalvfs", "many\n");
  const auto inventory = tree.read();
  REQUIRE(inventory.pfs.size() == 1);
  CHECK(inventory.pfs[0].vfs.size() == 12);
  REQUIRE(inventory.broken.size() == 1);
  CHECK(inventory.broken[0].device == "0000:3b:00.1");
  CHECK(inventory.broken[0].reason.find("'many'") != std::string::npos);
}

TEST_CASE("A broken VF is named and hides neither its PF nor the others") {
  const Tree tree;
  fill(tree);
  std::filesystem::remove(tree.dir / "bus/pci/devices/0000:3b:02.3");
  tree.dir.file(tree.device("0000:3b:02.2") + "/net/ens1f0v2/address", "nonsense\n");
  const auto inventory = tree.read();
  REQUIRE(inventory.pfs.size() == 2);
  CHECK(inventory.pfs[0].vfs.size() == 10);
  REQUIRE(inventory.broken.size() == 2);
  CHECK(inventory.broken[0].device == "0000:3b:00.0/virtfn2");
  CHECK(inventory.broken[1].device == "0000:3b:00.0/virtfn3");
}

TEST_CASE("An entry that vanished between the listing and the reading is no failure") {
  const Tree tree;
  fill(tree);
  // A link to nothing is what a listing shows of a device that is just going.
  tree.dir.link("bus/pci/devices/0000:3c:00.0", "../../../devices/gone");
  const auto inventory = tree.read();
  CHECK(inventory.pfs.size() == 2);
  CHECK(inventory.broken.empty());
}

TEST_CASE("A netdev that vanished is like none") {
  const Tree tree;
  fill(tree);
  tree.dir.link(tree.device("0000:3b:02.4") + "/net/gone", "../nowhere");
  const auto inventory = tree.read();
  CHECK(inventory.broken.empty());
  CHECK_FALSE(inventory.pfs[0].vfs[4].netdev);
}

TEST_CASE("What is no network function is not looked at") {
  const Tree tree;
  fill(tree);
  tree.pf("0000:5e:00.0", 8);
  tree.dir.file(tree.device("0000:5e:00.0") + "/class", "0x010802\n");  // NVMe
  tree.pci("0000:5f:00.0", "e1000e");                                   // no SR-IOV
  CHECK(tree.read().pfs.size() == 2);
}

TEST_CASE("In switchdev mode the PF's netdev is the uplink, and representors are found") {
  const Tree tree;
  fill(tree);
  const std::string pf = "0000:3b:00.0";
  const auto port = [&](const std::string& name, int index, const std::string& port_name) {
    tree.netdev(pf, name, index, "02:00:00:00:02:0" + std::to_string(index % 10));
    tree.dir.file(tree.device(pf) + "/net/" + name + "/phys_switch_id", "aabb01\n");
    tree.dir.file(tree.device(pf) + "/net/" + name + "/phys_port_name", port_name + "\n");
  };
  port("a_rep3", 21, "pf0vf3");  // sorts before the uplink
  port("b_host", 22, "c1pf0");
  port("c_sf", 23, "pf0sf7");
  tree.dir.file(tree.device(pf) + "/net/ens1f0/phys_switch_id", "aabb01\n");
  tree.dir.file(tree.device(pf) + "/net/ens1f0/phys_port_name", "p0\n");
  const auto inventory = tree.read();
  REQUIRE(inventory.pfs[0].netdev);
  CHECK(inventory.pfs[0].switch_id == "aabb01");
  REQUIRE(inventory.representors.size() == 3);
  CHECK(inventory.representors[0].name == "a_rep3");
  CHECK(inventory.representors[0].vf == 3);
  CHECK(inventory.representors[0].switch_id == "aabb01");
  CHECK(inventory.representors[1].name == "b_host");
  CHECK_FALSE(inventory.representors[1].vf);
  CHECK(inventory.representors[2].name == "ens1f0");
}

TEST_CASE("The numa node is read where there is one") {
  const Tree tree;
  fill(tree);
  tree.dir.file(tree.device("0000:3b:00.0") + "/numa_node", "1\n");
  CHECK(tree.read().pfs[0].numa_node == 1);
}

TEST_CASE("A root without PCI devices is an error that says what was read") {
  const test::TempDir dir;
  const auto root = *os::Root::open(dir.path());
  const auto inventory = read_inventory(root);
  REQUIRE_FALSE(inventory);
  CHECK(inventory.error().to_string().find("bus/pci/devices") != std::string::npos);
}
