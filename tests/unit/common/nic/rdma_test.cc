// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/nic/machine.h"

using namespace sluice;
using namespace sluice::nic;

namespace {

struct RdmaMachine : Machine {
  RdmaMachine() {
    sysfs.add_pf(pf_name, "mlx5_core", "");
    vfs = sysfs.add_vfs(pf_name, 2, "mlx5_core");
  }
  std::string pf_name = "0000:3b:00.0";
  std::vector<std::string> vfs;
};

testing::RdmaSpec named(const char* name) {
  testing::RdmaSpec spec;
  spec.name = name;
  return spec;
}

}  // namespace

TEST_CASE("An RDMA device with its character devices and ports") {
  RdmaMachine machine;
  machine.sysfs.add_rdma(machine.pf_name, named("mlx5_0"));
  auto spec = named("mlx5_1");
  spec.ports = 2;
  spec.link_layer = "InfiniBand";
  spec.pkeys = {"0xffff", "0x8001", "0x0000", "junk", "0x0001"};
  machine.sysfs.add_rdma(machine.vfs[0], spec);
  machine.sysfs.set(machine.vfs[0], "infiniband/mlx5_1/ports/2/state", "1: DOWN");
  machine.sysfs.set(machine.vfs[0], "infiniband/mlx5_1/ports/2/phys_state", "3: Disabled");
  const Pf pf = machine.pf();
  REQUIRE(pf.rdma.size() == 1);
  CHECK(pf.rdma[0].name == "mlx5_0");
  CHECK(pf.rdma[0].uverbs == "/dev/infiniband/uverbs0");
  CHECK(pf.rdma[0].umad == "/dev/infiniband/umad0");
  REQUIRE(pf.vfs[0].rdma.size() == 1);
  const RdmaDevice& device = pf.vfs[0].rdma[0];
  CHECK(device.name == "mlx5_1");
  CHECK(device.uverbs == "/dev/infiniband/uverbs1");
  CHECK(device.umad == "/dev/infiniband/umad1");  // the first port's
  CHECK(device.issm == "/dev/infiniband/issm1");
  CHECK(device.ucm.empty());
  REQUIRE(device.ports.size() == 2);
  CHECK(device.ports[0].number == 1);
  CHECK(device.ports[0].state == "ACTIVE");
  CHECK(device.ports[0].physical_state == "LinkUp");
  CHECK(device.ports[0].link_layer == "InfiniBand");
  CHECK(device.ports[0].pkeys == std::vector<std::uint16_t>{0xffff, 0x8001, 0x0001});
  CHECK(device.ports[1].number == 2);
  CHECK(device.ports[1].state == "DOWN");
  CHECK(device.ports[1].physical_state == "Disabled");
  CHECK(pf.vfs[1].rdma.empty());
}

TEST_CASE("Two RDMA devices of one function have each their own character devices") {
  RdmaMachine machine;
  machine.sysfs.add_rdma(machine.vfs[0], named("mlx4_0"));
  machine.sysfs.add_rdma(machine.vfs[0], named("mlx4_1"));
  machine.sysfs.set(machine.vfs[0], "infiniband_cm/ucm7/ibdev", "mlx4_1");
  machine.sysfs.add_node("infiniband/ucm7");
  const Pf pf = machine.pf();
  REQUIRE(pf.vfs[0].rdma.size() == 2);
  CHECK(pf.vfs[0].rdma[0].uverbs == "/dev/infiniband/uverbs0");
  CHECK(pf.vfs[0].rdma[0].ucm.empty());
  CHECK(pf.vfs[0].rdma[1].uverbs == "/dev/infiniband/uverbs1");
  CHECK(pf.vfs[0].rdma[1].umad == "/dev/infiniband/umad1");
  CHECK(pf.vfs[0].rdma[1].ucm == "/dev/infiniband/ucm7");
}

TEST_CASE("Only character devices whose node is there are told") {
  RdmaMachine machine;
  machine.sysfs.add_rdma(machine.vfs[0], named("mlx5_1"));
  machine.sysfs.remove_node("infiniband/umad0");
  auto spec = named("mlx5_2");
  spec.char_devices = false;  // it is in a pod's namespace, say
  machine.sysfs.add_rdma(machine.vfs[1], spec);
  Pf pf = machine.pf();
  CHECK(pf.vfs[0].rdma[0].uverbs == "/dev/infiniband/uverbs0");
  CHECK(pf.vfs[0].rdma[0].umad.empty());
  CHECK(pf.vfs[0].rdma[0].issm == "/dev/infiniband/issm0");
  CHECK(pf.vfs[1].rdma[0].uverbs.empty());
  machine.sysfs.remove_rdma(machine.vfs[0], "mlx5_1");
  pf = machine.pf();
  CHECK(pf.vfs[0].rdma.empty());
  CHECK_FALSE(std::filesystem::exists(machine.sysfs.dev_root() + "/infiniband/uverbs0"));
}

TEST_CASE("What the driver of an RDMA device refuses is empty and breaks nothing") {
  RdmaMachine machine;
  machine.sysfs.add_rdma(machine.vfs[0], named("mlx5_1"));
  const std::string port = "infiniband/mlx5_1/ports/1/";
  machine.sysfs.unset(machine.vfs[0], port + "state");
  machine.sysfs.set(machine.vfs[0], port + "link_layer", std::string(300, 'x'));
  machine.sysfs.unset(machine.vfs[0], port + "pkeys");
  machine.sysfs.set(machine.vfs[0], port + "pkeys", "no directory");
  machine.sysfs.set(machine.vfs[0], "infiniband/mlx5_1/ports/junk/state", "4: ACTIVE");
  const Pf pf = machine.pf();
  REQUIRE(pf.vfs[0].rdma.size() == 1);
  REQUIRE(pf.vfs[0].rdma[0].ports.size() == 1);
  const auto& told = pf.vfs[0].rdma[0].ports[0];
  CHECK(told.state.empty());
  CHECK(told.physical_state == "LinkUp");
  CHECK(told.link_layer.empty());
  CHECK(told.pkeys.empty());
}

TEST_CASE("Without user-space devices nothing is said of them, and all else stays") {
  Machine machine;
  const std::string name = "0000:3b:00.0";
  machine.sysfs.add_pf(name, "mlx5_core", "ens1f0");
  const auto vf = machine.sysfs.add_vfs(name, 1, "mlx5_core", true)[0];
  machine.sysfs.add_rdma(vf, named("mlx5_2"));
  machine.sysfs.add_vdpa(vf, "vdpa0", "vhost_vdpa");
  machine.sysfs.add_uio(vf, "uio0");
  machine.sysfs.set_iommu_group(vf, "17");
  machine.sysfs.add_vfio_device(vf, "vfio3");
  machine.sysfs.add_node("vhost-net");
  const auto root = os::Root::open(machine.sysfs.path());
  REQUIRE(root);
  for (const bool wanted : {true, false}) {
    InventoryOptions options{machine.sysfs.dev_root()};
    options.user_space_devices = wanted;
    const auto inventory = read_inventory(*root, options);
    REQUIRE(inventory);
    const auto* found = inventory->find_vf(at(vf.c_str()));
    REQUIRE(found != nullptr);
    const auto one = read_function(*root, at(vf.c_str()), options);
    REQUIRE(one);
    for (const Function* function : {static_cast<const Function*>(found), &*one}) {
      CHECK(function->rdma.size() == (wanted ? 1 : 0));
      CHECK(function->vdpa.size() == (wanted ? 1 : 0));
      CHECK(function->uio_device == (wanted ? "uio0" : ""));
      CHECK(function->vfio_device == (wanted ? "vfio3" : ""));
      CHECK(function->driver == "mlx5_core");
      CHECK(function->iommu_group == "17");
      REQUIRE(function->netdev);
      CHECK(function->netdev->name == "ens1f0v0");
    }
    CHECK(inventory->vhost_net == wanted);
  }
}
