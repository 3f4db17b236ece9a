// SPDX-License-Identifier: Apache-2.0
#include "common/nic/drivers.h"

#include <doctest/doctest.h>

#include "common/nic/driver_binding.h"
#include "tests/unit/common/nic/machine.h"

using namespace sluice;
using namespace sluice::nic;

namespace {

// A VF of a driver that is loaded, and another driver that is loaded too.
struct Bound : Machine {
  Bound() {
    sysfs.add_pf("0000:3b:00.0", "mlx5_core", "ens1f0");
    sysfs.add_vf("0000:3b:00.0", 0, "0000:3b:00.2", "mlx5_core");
    for (const char* driver : {"mlx5_core", "other"}) {
      for (const char* file : {"bind", "unbind"}) sysfs.write(file_of(driver, file), "");
    }
  }
  static std::string file_of(const std::string& driver, const std::string& file) {
    return "bus/pci/drivers/" + driver + "/" + file;
  }
  std::string written(const std::string& driver, const std::string& file) const {
    return *root.read_line(file_of(driver, file));
  }

  os::Root root = *os::Root::open(sysfs.path());
};

}  // namespace

TEST_CASE("Drivers that make no netdev are known by their name") {
  for (const char* driver : {"vfio-pci", "mlx5_vfio_pci", "hisi_acc_vfio_pci", "uio_pci_generic",
                             "igb_uio", "pci-stub", "pciback", "vp_vdpa", "ifcvf"}) {
    INFO(driver);
    CHECK(makes_no_netdev(driver));
  }
  for (const char* driver :
       {"", "mlx5_core", "igbvf", "iavf", "ixgbevf", "bnxt_en", "virtio-pci", "sluice_softnic"}) {
    INFO(driver);
    CHECK_FALSE(makes_no_netdev(driver));
  }
}

TEST_CASE("A function is taken from its driver and given to the one that is asked for") {
  Bound b;
  REQUIRE(rebind(b.root, at("0000:3b:00.2"), "mlx5_core"));
  CHECK(b.written("mlx5_core", "unbind") == "0000:3b:00.2");
  CHECK(b.written("mlx5_core", "bind") == "0000:3b:00.2");
  REQUIRE(rebind(b.root, at("0000:3b:00.2"), "other"));
  CHECK(b.written("other", "bind") == "0000:3b:00.2");
  CHECK(b.written("other", "unbind").empty());
}

TEST_CASE("An unbound function is only bound") {
  Bound b;
  b.sysfs.unbind("0000:3b:00.2");
  REQUIRE(rebind(b.root, at("0000:3b:00.2"), "mlx5_core"));
  CHECK(b.written("mlx5_core", "unbind").empty());
  CHECK(b.written("mlx5_core", "bind") == "0000:3b:00.2");
}

TEST_CASE("Without the function or the driver nothing is taken away") {
  Bound b;
  CHECK(rebind(b.root, at("0000:3b:00.9"), "mlx5_core").error().code == Code::kNotFound);
  CHECK(rebind(b.root, at("0000:3b:00.2"), "absent").error().code == Code::kNotFound);
  for (const std::string& bad : {std::string(), std::string(".."), std::string("../../x"),
                                 std::string(300, 'x'), std::string("a\0b", 3)}) {
    CHECK(rebind(b.root, at("0000:3b:00.2"), bad).error().code == Code::kInvalid);
  }
  CHECK(b.written("mlx5_core", "unbind").empty());
}

TEST_CASE("A driver that refuses leaves the function unbound, and the error says so") {
  Bound b;
  b.sysfs.remove(Bound::file_of("other", "bind"));
  b.sysfs.write(Bound::file_of("other", "bind/file"), "");  // a directory can't be written
  const auto status = rebind(b.root, at("0000:3b:00.2"), "other");
  REQUIRE_FALSE(status);
  CHECK(status.error().to_string().find("leaves it without a driver") != std::string::npos);
  CHECK(b.written("mlx5_core", "unbind") == "0000:3b:00.2");
}
