// SPDX-License-Identifier: Apache-2.0
// PFs and VFs: which there are, in order, and how they go.
#include "common/nic/inventory.h"

#include <atomic>
#include <thread>

#include "tests/unit/common/nic/machine.h"

using namespace sluice;
using namespace sluice::nic;

namespace {

// Two PFs; the first has twelve VFs, so that "virtfn10" sorts before "virtfn2" by name.
struct TwoPfs : Machine {
  TwoPfs() {
    testing::FunctionSpec spec;
    spec.numa_node = "-1";
    spec.parent = "pci0000:3a";
    spec.total_vfs = 12;
    sysfs.add_pf("0000:3b:00.0", "mlx5_core", "ens1f0", spec);
    spec.total_vfs = 0;
    sysfs.add_pf("0000:3b:00.1", "mlx5_core", "", spec);
    vfs = sysfs.add_vfs("0000:3b:00.0", 12, "mlx5_core");
    sysfs.unbind(vfs[0]);
    sysfs.bind(vfs[1], "vfio-pci");
    sysfs.add_netdev(vfs[2], "ens1f0v2", "02:00:00:00:01:02", 12);
  }
  std::vector<std::string> vfs;
};

}  // namespace

TEST_CASE("PFs and their VFs are found, in order") {
  const TwoPfs machine;
  const auto inventory = machine.read();
  CHECK(inventory.broken.empty());
  REQUIRE(inventory.pfs.size() == 2);
  const Pf& pf = inventory.pfs[0];
  CHECK(pf.address.to_string() == "0000:3b:00.0");
  CHECK(pf.vendor == 0x15b3);
  CHECK(pf.device == 0x101d);
  CHECK(pf.class_code == 0x020000);
  CHECK(pf.is_network());
  CHECK(pf.driver == "mlx5_core");
  CHECK(pf.sriov);
  CHECK(pf.total_vfs == 12);
  CHECK(pf.num_vfs == 12);
  CHECK_FALSE(pf.numa_node);
  CHECK(pf.switch_id.empty());
  REQUIRE(pf.netdev);
  CHECK(pf.netdev->name == "ens1f0");
  CHECK(pf.netdev->if_index != 0);
  CHECK(pf.netdev->mac.to_string() == "02:00:00:00:00:ff");
  CHECK(pf.netdev->carrier);
  REQUIRE(pf.vfs.size() == 12);
  for (std::uint16_t i = 0; i < 12; ++i) {
    CHECK(pf.vfs[i].index == i);
    CHECK(pf.vfs[i].address.to_string() == machine.vfs[i]);
    CHECK(pf.vfs[i].device == 0x101e);
    CHECK(pf.vfs[i].pcie_root == "pci0000:3a");
  }
  CHECK(pf.vfs[0].driver.empty());
  CHECK(pf.vfs[1].driver == "vfio-pci");
  CHECK_FALSE(pf.vfs[1].netdev);
  REQUIRE(pf.vfs[2].netdev);
  CHECK(pf.vfs[2].netdev->name == "ens1f0v2");
  CHECK(pf.vfs[2].netdev->if_index == 12);
  CHECK(inventory.pfs[1].sriov);
  CHECK(inventory.pfs[1].vfs.empty());
  CHECK_FALSE(inventory.pfs[1].netdev);
}

TEST_CASE("A VF and its PF are found by address") {
  const TwoPfs machine;
  const auto inventory = machine.read();
  const auto address = at(machine.vfs[5].c_str());
  REQUIRE(inventory.find_vf(address) != nullptr);
  CHECK(inventory.find_vf(address)->index == 5);
  CHECK(inventory.find_pf_of(address) == &inventory.pfs[0]);
  CHECK(inventory.find_pf(address) == nullptr);
  const auto pf = at("0000:3b:00.1");
  CHECK(inventory.find_vf(pf) == nullptr);
  CHECK(inventory.find_pf_of(pf) == nullptr);
  CHECK(inventory.find_pf(pf) == &inventory.pfs[1]);
}

TEST_CASE("VFs and functions that are taken away are not there any more") {
  TwoPfs machine;
  machine.sysfs.remove_vf("0000:3b:00.0", 3, machine.vfs[3]);
  machine.sysfs.remove_device("0000:3b:00.1");
  const Pf pf = machine.pf();
  CHECK(pf.vfs.size() == 11);
  CHECK(pf.num_vfs == 11);
  CHECK(pf.vfs[3].index == 4);
}

TEST_CASE("A VF that its PF does not link yet is neither a PF nor broken") {
  TwoPfs machine;
  machine.sysfs.remove("bus/pci/devices/0000:3b:00.1");
  machine.sysfs.unset("0000:3b:00.0", "virtfn7");
  CHECK(machine.pf().vfs.size() == 11);
}

TEST_CASE("A VF whose PF is another kernel's is listed like a PF without SR-IOV") {
  Machine machine;
  machine.sysfs.add_nic("0000:00:04.0", "mlx5_core", "ens4");
  machine.sysfs.link(machine.sysfs.directory_of("0000:00:04.0") + "/physfn", "../0000:3b:00.0");
  const Pf pf = machine.pf();
  CHECK_FALSE(pf.sriov);
  CHECK(pf.num_vfs == 0);
  REQUIRE(pf.netdev);
  CHECK(pf.netdev->name == "ens4");
}

TEST_CASE("A NIC without SR-IOV is a PF without SR-IOV; other devices are not looked at") {
  Machine machine;
  machine.sysfs.add_nic("0000:5f:00.0", "e1000e", "eno1");
  testing::FunctionSpec nvme;
  nvme.class_code = "0x010802";
  machine.sysfs.add_pf("0000:5e:00.0", "nvme", "", nvme);
  machine.sysfs.add_vf("0000:5e:00.0", 0, "0000:5e:00.2", "nvme");
  machine.sysfs.set("0000:5e:00.2", "class", "0x010802");
  const Pf pf = machine.pf();
  CHECK(pf.address == at("0000:5f:00.0"));
  CHECK_FALSE(pf.sriov);
  CHECK(pf.total_vfs == 0);
}

TEST_CASE("An entry that vanished between the listing and the reading is no failure") {
  TwoPfs machine;
  // A link to nothing is what a listing shows of a device that is just going.
  machine.sysfs.link("bus/pci/devices/0000:3c:00.0", "../../../devices/gone");
  // A netdev the same.
  machine.sysfs.link(machine.sysfs.directory_of(machine.vfs[4]) + "/net/gone", "../nowhere");
  const auto inventory = machine.read();
  CHECK(inventory.pfs.size() == 2);
  CHECK(inventory.broken.empty());
  CHECK_FALSE(inventory.pfs[0].vfs[4].netdev);
}

TEST_CASE("A link that leads elsewhere than beside the PF is followed all the same") {
  TwoPfs machine;
  testing::FunctionSpec spec;
  spec.parent = "pci0000:80";
  machine.sysfs.add_function("0000:81:00.0", "mlx5_core", spec);
  const std::string pf_at = machine.sysfs.directory_of("0000:3b:00.0");
  machine.sysfs.link(machine.sysfs.directory_of("0000:81:00.0") + "/physfn",
                     "../../pci0000:3a/0000:3b:00.0");
  machine.sysfs.link(pf_at + "/virtfn12", "../../pci0000:80/0000:81:00.0");
  const auto inventory = machine.read();
  CHECK(inventory.broken.empty());
  REQUIRE(inventory.pfs[0].vfs.size() == 13);
  CHECK(inventory.pfs[0].vfs[12].pcie_root == "pci0000:80");
}

TEST_CASE("A root without PCI devices is an error that says what was read") {
  const test::TempDir dir;
  const auto root = *os::Root::open(dir.path());
  const auto inventory = read_inventory(root);
  REQUIRE_FALSE(inventory);
  CHECK(inventory.error().to_string().find("bus/pci/devices") != std::string::npos);
}

TEST_CASE("A thousand VFs of one PF are all found, each once") {
  Machine machine;
  machine.sysfs.add_pf("0000:3b:00.0", "mlx5_core", "ens1f0");
  machine.sysfs.add_vfs("0000:3b:00.0", 1024, "mlx5_core", true);
  const Pf pf = machine.pf();
  REQUIRE(pf.vfs.size() == 1024);
  CHECK(pf.num_vfs == 1024);
  for (std::uint16_t i = 0; i < 1024; ++i) {
    REQUIRE(pf.vfs[i].index == i);
    REQUIRE(pf.vfs[i].netdev);
    REQUIRE(pf.vfs[i].netdev->name == "ens1f0v" + std::to_string(i));
  }
}

TEST_CASE("VFs that come and go while they are read are there or not, and never broken") {
  Machine machine;
  const std::string pf_name = "0000:3b:00.0";
  machine.sysfs.add_pf(pf_name, "mlx5_core", "ens1f0");
  const auto stay = machine.sysfs.add_vfs(pf_name, 4, "mlx5_core", true);
  std::atomic<bool> done = false;
  std::thread changes([&] {
    constexpr unsigned kWindow = 8, kRounds = 300;
    const auto address = [](unsigned i) {
      char text[16];
      std::snprintf(text, sizeof text, "0000:3c:%02x.%x", (i / 8) % 32, i % 8);
      return std::string(text).replace(5, 2, i < 256 ? "3c" : "3d");
    };
    for (unsigned i = 0; i < kRounds + kWindow; ++i) {
      if (i < kRounds) {
        machine.sysfs.add_vf(pf_name, 100 + i, address(i), "mlx5_core");
        machine.sysfs.add_netdev(address(i), "tmp" + std::to_string(i), {});
      }
      if (i >= kWindow) machine.sysfs.remove_vf(pf_name, 100 + i - kWindow, address(i - kWindow));
    }
    done = true;
  });
  bool last = false;
  while (!last) {
    last = done;
    const auto root = os::Root::open(machine.sysfs.path());
    const auto inventory = read_inventory(*root, {machine.sysfs.dev_root()});
    // No REQUIRE while the thread runs.
    const bool good = inventory && inventory->broken.empty() && inventory->pfs.size() == 1 &&
                      inventory->pfs[0].vfs.size() >= stay.size() &&
                      inventory->pfs[0].vfs[3].netdev;
    CHECK(good);
    if (inventory) {
      for (const auto& broken : inventory->broken) MESSAGE(broken.device << ": " << broken.reason);
    }
  }
  changes.join();
  CHECK(machine.pf().vfs.size() == stay.size());
}
