// SPDX-License-Identifier: Apache-2.0
// What is broken is named with file and reason, and hides nothing else.
#include "tests/unit/common/nic/machine.h"

using namespace sluice;
using namespace sluice::nic;

namespace {

struct OnePf : Machine {
  OnePf() {
    sysfs.add_pf(pf_name, "mlx5_core", "ens1f0");
    vfs = sysfs.add_vfs(pf_name, 4, "mlx5_core", true);
  }
  std::string pf_name = "0000:3b:00.0";
  std::vector<std::string> vfs;
};

}  // namespace

TEST_CASE("A broken attribute of a PF costs that attribute, not its VFs") {
  OnePf machine;
  const char* file = "";
  SUBCASE("totalvfs") { machine.sysfs.set(machine.pf_name, file = "sriov_totalvfs", "many"); }
  SUBCASE("numvfs") { machine.sysfs.set(machine.pf_name, file = "sriov_numvfs", "junk"); }
  SUBCASE("numvfs is negative") { machine.sysfs.set(machine.pf_name, file = "sriov_numvfs", "-1"); }
  SUBCASE("numvfs is a directory") {
    machine.sysfs.unset(machine.pf_name, "sriov_numvfs");
    machine.sysfs.set(machine.pf_name, "sriov_numvfs/x", "1");
    file = "sriov_numvfs";
  }
  SUBCASE("vendor") { machine.sysfs.set(machine.pf_name, file = "vendor", "0x15b3f"); }
  SUBCASE("driver is no link") {
    machine.sysfs.unbind(machine.pf_name);
    machine.sysfs.set(machine.pf_name, file = "driver", "mlx5_core");
  }
  SUBCASE("net is a file") {
    machine.sysfs.remove_netdev("ens1f0");
    machine.sysfs.set(machine.pf_name, file = "net", "x");
  }
  SUBCASE("netdev") { machine.sysfs.set_netdev("ens1f0", file = "address", "nonsense"); }
  const auto inventory = machine.read();
  REQUIRE(inventory.pfs.size() == 1);
  CHECK(inventory.pfs[0].vfs.size() == 4);
  CHECK(inventory.broken.size() == 1);
  CHECK(says(find_broken(inventory, machine.pf_name), file));
}

TEST_CASE("Counts that are not there are 0 and nothing broken") {
  OnePf machine;
  machine.sysfs.unset(machine.pf_name, "sriov_numvfs");
  machine.sysfs.set(machine.pf_name, "sriov_totalvfs", "0");
  const Pf pf = machine.pf();
  CHECK(pf.sriov);
  CHECK(pf.num_vfs == 0);
  CHECK(pf.total_vfs == 0);
}

TEST_CASE("A broken VF is named and left out, the others stay") {
  OnePf machine;
  std::string file;
  SUBCASE("its device is not there") {
    machine.sysfs.remove("bus/pci/devices/" + machine.vfs[2]);
    file = "which is not there";
  }
  SUBCASE("virtfn is no link") {
    machine.sysfs.unset(machine.pf_name, "virtfn2");
    machine.sysfs.set(machine.pf_name, "virtfn2", machine.vfs[2]);
    file = "virtfn2";
  }
  SUBCASE("virtfn leads to no address") {
    machine.sysfs.unset(machine.pf_name, "virtfn2");
    machine.sysfs.link(machine.sysfs.directory_of(machine.pf_name) + "/virtfn2", "../power");
    file = "'power'";
  }
  SUBCASE("virtfn leads to the PF itself") {
    machine.sysfs.unset(machine.pf_name, "virtfn2");
    machine.sysfs.link(machine.sysfs.directory_of(machine.pf_name) + "/virtfn2",
                       "../" + machine.pf_name);
    file = "has no physfn";
  }
  SUBCASE("virtfn leads to another VF of the PF") {
    machine.sysfs.unset(machine.pf_name, "virtfn2");
    machine.sysfs.link(machine.sysfs.directory_of(machine.pf_name) + "/virtfn2",
                       "../" + machine.vfs[1]);
    file = "another virtfn led to";
  }
  SUBCASE("physfn leads elsewhere") {
    machine.sysfs.unset(machine.vfs[2], "physfn");
    machine.sysfs.link(machine.sysfs.directory_of(machine.vfs[2]) + "/physfn",
                       "../" + machine.vfs[1]);
    file = "it must lead to 0000:3b:00.0";
  }
  SUBCASE("class") { machine.sysfs.set(machine.vfs[2], file = "class", ""); }
  SUBCASE("class is text") { machine.sysfs.set(machine.vfs[2], file = "class", "network"); }
  SUBCASE("device") { machine.sysfs.set(machine.vfs[2], file = "device", "zz"); }
  SUBCASE("two lines") { machine.sysfs.set(machine.vfs[2], file = "vendor", "0x15b3\n0x15b3"); }
  SUBCASE("ifindex") { machine.sysfs.set_netdev("ens1f0v2", file = "ifindex", "-3"); }
  SUBCASE("address") { machine.sysfs.set_netdev("ens1f0v2", file = "address", "nonsense"); }
  const auto inventory = machine.read();
  REQUIRE(inventory.pfs.size() == 1);
  REQUIRE(inventory.pfs[0].vfs.size() == 3);
  CHECK(inventory.pfs[0].vfs[2].index == 3);
  CHECK(inventory.broken.size() == 1);
  CHECK(says(find_broken(inventory, machine.pf_name + "/virtfn2"), file));
}

TEST_CASE("A PF can't take what is another function's") {
  OnePf machine;
  const std::string other = "0000:5e:00.0", plain = "0000:60:00.0";
  machine.sysfs.add_nic(plain, "e1000e", "eno1");
  machine.sysfs.add_pf(other, "mlx5_core", "ens2f0");
  machine.sysfs.add_vfs(other, 1, "mlx5_core", true);
  const auto at_other = machine.sysfs.directory_of(other);
  machine.sysfs.link(at_other + "/virtfn1", "../" + machine.vfs[1]);
  machine.sysfs.link(at_other + "/virtfn2", "../" + plain);
  // And one that is read before the owner.
  const std::string early = "0000:01:00.0";
  machine.sysfs.add_pf(early, "mlx5_core", "ens0f0");
  machine.sysfs.link(machine.sysfs.directory_of(early) + "/virtfn0", "../" + machine.vfs[0]);
  const auto inventory = machine.read();
  REQUIRE(inventory.pfs.size() == 4);
  CHECK(inventory.find_pf(at(plain.c_str())) != nullptr);
  CHECK(inventory.find_pf(at(early.c_str()))->vfs.empty());
  CHECK(inventory.find_pf(at(other.c_str()))->vfs.size() == 1);
  CHECK(inventory.find_pf(at(machine.pf_name.c_str()))->vfs.size() == 4);
  CHECK(inventory.broken.size() == 3);
  CHECK(says(find_broken(inventory, other + "/virtfn1"), "another virtfn led to"));
  CHECK(says(find_broken(inventory, other + "/virtfn2"), "has no physfn"));
  CHECK(says(find_broken(inventory, early + "/virtfn0"), "must lead to 0000:01:00.0"));
}

TEST_CASE("A file that is too long for an attribute is not read to its end") {
  OnePf machine;
  machine.sysfs.set(machine.vfs[1], "numa_node", std::string(8000, '1'));
  machine.sysfs.set(machine.vfs[2], "device", std::string(8000, '1'));
  const auto inventory = machine.read();
  REQUIRE(inventory.pfs[0].vfs.size() == 3);
  CHECK_FALSE(inventory.pfs[0].vfs[1].numa_node);
  CHECK(says(find_broken(inventory, machine.pf_name + "/virtfn2"), "larger than 4096"));
}

TEST_CASE("Devices of other names, without class or with a strange physfn hide nobody") {
  OnePf machine;
  machine.sysfs.write("devices/pci0000:00/strange/class", "0x020000");
  machine.sysfs.link("bus/pci/devices/strange", "../../../devices/pci0000:00/strange");
  machine.sysfs.add_nic("0000:40:00.0", "e1000e", "eno1");
  machine.sysfs.unset("0000:40:00.0", "class");
  machine.sysfs.add_nic("0000:41:00.0", "e1000e", "eno2");
  machine.sysfs.set("0000:41:00.0", "physfn", "0000:3b:00.0");
  machine.sysfs.write("bus/pci/devices/0000:42:00.0", "no directory");
  const auto inventory = machine.read();
  CHECK(inventory.pfs.size() == 1);
  CHECK(inventory.broken.size() == 4);
  CHECK(says(find_broken(inventory, "strange"), "PCI address"));
  CHECK(says(find_broken(inventory, "0000:40:00.0"), "class"));
  CHECK(says(find_broken(inventory, "0000:41:00.0"), "physfn"));
  CHECK(find_broken(inventory, "0000:42:00.0") != nullptr);
}

TEST_CASE("A broken subfunction or accelerator is named and left out") {
  OnePf machine;
  machine.sysfs.add_sf(machine.pf_name, "mlx5_core.sf.2", 7, "");
  machine.sysfs.add_sf(machine.pf_name, "mlx5_core.sf.3", 8, "");
  machine.sysfs.set("mlx5_core.sf.3", "sfnum", "eight");
  machine.sysfs.add_accelerator("0000:50:00.0", "habanalabs");
  machine.sysfs.add_accelerator("0000:51:00.0", "habanalabs");
  machine.sysfs.set("0000:51:00.0", "vendor", "");
  const auto inventory = machine.read();
  REQUIRE(inventory.pfs.size() == 1);
  REQUIRE(inventory.pfs[0].sfs.size() == 1);
  CHECK(inventory.pfs[0].sfs[0].number == 7);
  CHECK(says(find_broken(inventory, machine.pf_name + "/mlx5_core.sf.3"), "'eight'"));
  CHECK(inventory.accelerators.size() == 1);
  CHECK(says(find_broken(inventory, "0000:51:00.0"), "vendor"));
}
