// SPDX-License-Identifier: Apache-2.0
// What is on a function: place, NUMA, netdevs, user-space devices, subfunctions, vDPA.
#include "tests/unit/common/nic/machine.h"

using namespace sluice;
using namespace sluice::nic;

TEST_CASE("The place of a function is the bridges above it") {
  Machine machine;
  machine.sysfs.add_bridge("0000:00:01.0");
  machine.sysfs.add_bridge("0000:01:00.0", "0000:00:01.0");  // a switch: upstream port,
  machine.sysfs.add_bridge("0000:02:04.0", "0000:01:00.0");  // and two downstream ports
  machine.sysfs.add_bridge("0000:02:08.0", "0000:01:00.0");
  testing::FunctionSpec spec;
  spec.parent = "0000:02:04.0";
  machine.sysfs.add_pf("0000:03:00.0", "mlx5_core", "ens1f0", spec);
  machine.sysfs.add_vfs("0000:03:00.0", 2, "mlx5_core");
  spec.parent = "0000:02:08.0";
  machine.sysfs.add_gpu("0000:04:00.0", "nvidia", spec);
  const auto inventory = machine.read();
  CHECK(inventory.broken.empty());
  REQUIRE(inventory.pfs.size() == 1);
  const Pf& pf = inventory.pfs[0];
  CHECK(pf.pcie_root == "pci0000:00");
  CHECK(pf.pcie_path == std::vector{at("0000:00:01.0"), at("0000:01:00.0"), at("0000:02:04.0")});
  REQUIRE(pf.vfs.size() == 2);
  CHECK(pf.vfs[1].pcie_path == pf.pcie_path);
  CHECK(pf.vfs[1].pcie_root == pf.pcie_root);
  REQUIRE(inventory.gpus.size() == 1);
  CHECK(inventory.gpus[0].driver == "nvidia");
  CHECK(inventory.gpus[0].pcie_path ==
        std::vector{at("0000:00:01.0"), at("0000:01:00.0"), at("0000:02:08.0")});
}

TEST_CASE("Display controllers are GPUs, accelerators are both") {
  Machine machine;
  const auto add = [&](const char* address, const char* class_code) {
    testing::FunctionSpec spec;
    spec.class_code = class_code;
    machine.sysfs.add_function(address, "x", spec);
  };
  add("0000:01:00.0", "0x030000");
  add("0000:02:00.0", "0x030200");
  add("0000:03:00.0", "0x038000");
  add("0000:04:00.0", "0x030100");  // XGA
  add("0000:05:00.0", "0x120000");
  add("0000:06:00.0", "0x060400");
  machine.sysfs.add_pf("0000:07:00.0", "qat", "");
  machine.sysfs.set("0000:07:00.0", "class", "0x120000");
  machine.sysfs.add_vf("0000:07:00.0", 0, "0000:07:00.1", "qatvf");
  machine.sysfs.set("0000:07:00.1", "class", "0x120000");
  const auto inventory = machine.read();
  CHECK(inventory.broken.empty());
  CHECK(inventory.pfs.empty());
  REQUIRE(inventory.gpus.size() == 6);
  CHECK(inventory.gpus[2].address == at("0000:03:00.0"));
  REQUIRE(inventory.accelerators.size() == 3);
  CHECK(inventory.accelerators[0].address == at("0000:05:00.0"));
  CHECK(inventory.accelerators[2].driver == "qatvf");
}

TEST_CASE("The NUMA node is read where there is one") {
  Machine machine;
  machine.sysfs.add_pf("0000:3b:00.0", "mlx5_core", "");
  struct Case {
    const char* text;
    std::optional<int> node;
  };
  for (const Case& c : {Case{"1", 1}, Case{"0", 0}, Case{"-1", {}}, Case{"junk", {}}, Case{"", {}},
                        Case{"99999999", {}}}) {
    INFO(c.text);
    machine.sysfs.set("0000:3b:00.0", "numa_node", c.text);
    CHECK(machine.pf().numa_node == c.node);
  }
  machine.sysfs.unset("0000:3b:00.0", "numa_node");
  CHECK_FALSE(machine.pf().numa_node);
}

TEST_CASE("The ACPI index is what the file says, or empty") {
  Machine machine;
  testing::FunctionSpec spec;
  spec.acpi_index = "101";
  machine.sysfs.add_pf("0000:3b:00.0", "mlx5_core", "", spec);
  CHECK(machine.pf().acpi_index == "101");
  machine.sysfs.unset("0000:3b:00.0", "acpi_index");
  CHECK(machine.pf().acpi_index.empty());
}

TEST_CASE("Netdevs come with type, MTU and, with a link, speed") {
  Machine machine;
  machine.sysfs.add_nic("0000:3b:00.0", "ionic", "");
  testing::NetdevSpec spec;
  spec.mtu = 9000;
  machine.sysfs.add_netdev("0000:3b:00.0", "enp1", spec);
  spec.carrier = false;
  machine.sysfs.add_netdev("0000:3b:00.0", "enp2", spec);
  spec.carrier = true;
  spec.speed = "-1";
  spec.type = 32;
  spec.mac = "00:00:10:86:fe:80:00:00:00:00:00:00:b8:ce:f6:03:00:26:6b:1e";
  machine.sysfs.add_netdev("0000:3b:00.0", "ibp3", spec);
  const Pf pf = machine.pf();
  REQUIRE(pf.netdev);
  CHECK(pf.netdev->name == "enp1");
  CHECK(pf.netdev->type == 1);
  CHECK(pf.netdev->mtu == 9000);
  CHECK(pf.netdev->speed_mbps == 100000);
  REQUIRE(pf.more_netdevs.size() == 2);
  CHECK(pf.more_netdevs[0].name == "enp2");
  CHECK_FALSE(pf.more_netdevs[0].carrier);
  CHECK(pf.more_netdevs[0].speed_mbps == 0);
  CHECK(pf.more_netdevs[1].type == 32);
  CHECK(pf.more_netdevs[1].mac.is_zero());
  CHECK(pf.more_netdevs[1].speed_mbps == 0);
}

TEST_CASE("The netdev of a virtio NIC is found below its virtio device") {
  Machine machine;
  machine.sysfs.add_nic("0000:00:03.0", "virtio-pci", "");
  const std::string net = machine.sysfs.directory_of("0000:00:03.0") + "/virtio0/net/eth0";
  machine.sysfs.write(net + "/ifindex", "2");
  machine.sysfs.write(net + "/address", "02:00:00:00:00:02");
  const Pf pf = machine.pf();
  REQUIRE(pf.netdev);
  CHECK(pf.netdev->name == "eth0");
  CHECK(pf.netdev->mtu == 0);
  CHECK(pf.netdev->type == 1);
}

TEST_CASE("IOMMU group, vfio and uio devices") {
  Machine machine;
  machine.sysfs.add_pf("0000:3b:00.0", "mlx5_core", "");
  const auto vfs = machine.sysfs.add_vfs("0000:3b:00.0", 5, "vfio-pci");
  machine.sysfs.set_iommu_group(vfs[0], "17");
  machine.sysfs.add_vfio_device(vfs[0], "vfio3");
  machine.sysfs.set_iommu_group(vfs[1], "0", true);
  machine.sysfs.add_vfio_device(vfs[1], "vfio4");
  machine.sysfs.remove_node("vfio/devices/vfio4");  // in sysfs, but nobody made the node
  machine.sysfs.bind(vfs[2], "igb_uio");
  machine.sysfs.add_uio(vfs[2], "uio1");
  machine.sysfs.set(vfs[3], "uio", "a file");
  machine.sysfs.set(vfs[3], "iommu_group/type", "DMA");  // a directory, no link
  machine.sysfs.link(machine.sysfs.directory_of(vfs[4]) + "/iommu_group", "../../not-a-number");
  const Pf pf = machine.pf();
  REQUIRE(pf.vfs.size() == 5);
  CHECK(pf.vfs[0].iommu_group == "17");
  CHECK_FALSE(pf.vfs[0].iommu_noiommu);
  CHECK(pf.vfs[0].vfio_device == "vfio3");
  CHECK(pf.vfs[1].iommu_group == "0");
  CHECK(pf.vfs[1].iommu_noiommu);
  CHECK(pf.vfs[1].vfio_device.empty());
  CHECK(pf.vfs[2].uio_device == "uio1");
  CHECK(pf.vfs[2].iommu_group.empty());
  CHECK(pf.vfs[3].uio_device.empty());
  CHECK(pf.vfs[3].iommu_group.empty());
  CHECK(pf.vfs[4].iommu_group.empty());
}

TEST_CASE("Subfunctions are found below their PF, by number") {
  Machine machine;
  machine.sysfs.add_pf("0000:3b:00.0", "mlx5_core", "ens1f0");
  machine.sysfs.add_sf("0000:3b:00.0", "mlx5_core.sf.4", 88, "ens1f0s88");
  machine.sysfs.add_sf("0000:3b:00.0", "mlx5_core.sf.5", 7, "");
  machine.sysfs.unbind("mlx5_core.sf.5");
  testing::RdmaSpec rdma;
  rdma.name = "mlx5_9";
  machine.sysfs.add_rdma("mlx5_core.sf.4", rdma);
  for (const char* other : {"mlx5_core.eth.4", "mlx5_core.sf.x", "mlx5_core.sf.-1", "x.sf.1.2"}) {
    machine.sysfs.set("0000:3b:00.0", std::string(other) + "/sfnum", "1");
  }
  const Pf pf = machine.pf();
  REQUIRE(pf.sfs.size() == 2);
  CHECK(pf.sfs[0].number == 7);
  CHECK(pf.sfs[0].driver.empty());
  CHECK_FALSE(pf.sfs[0].netdev);
  const Sf& sf = pf.sfs[1];
  CHECK(sf.name == "mlx5_core.sf.4");
  CHECK(sf.number == 88);
  CHECK(sf.driver == "mlx5_core.sf");
  REQUIRE(sf.netdev);
  CHECK(sf.netdev->name == "ens1f0s88");
  REQUIRE(sf.rdma.size() == 1);
  CHECK(sf.rdma[0].uverbs == "/dev/infiniband/uverbs0");
  machine.sysfs.remove_sf("mlx5_core.sf.4");
  CHECK(machine.pf().sfs.size() == 1);
}

TEST_CASE("vDPA devices with their driver and character device") {
  Machine machine;
  machine.sysfs.add_pf("0000:3b:00.0", "mlx5_core", "");
  const auto vfs = machine.sysfs.add_vfs("0000:3b:00.0", 3, "mlx5_core");
  machine.sysfs.add_vdpa(vfs[0], "vdpa0", "vhost_vdpa");
  machine.sysfs.add_vdpa(vfs[1], "vdpa1", "virtio_vdpa");
  machine.sysfs.add_vdpa(vfs[2], "vdpa2", "");
  const Pf pf = machine.pf();
  REQUIRE(pf.vfs[0].vdpa.size() == 1);
  CHECK(pf.vfs[0].vdpa[0].name == "vdpa0");
  CHECK(pf.vfs[0].vdpa[0].driver == "vhost_vdpa");
  CHECK(pf.vfs[0].vdpa[0].char_device == "/dev/vhost-vdpa-0");
  CHECK(pf.vfs[1].vdpa[0].driver == "virtio_vdpa");
  CHECK(pf.vfs[1].vdpa[0].char_device.empty());
  CHECK(pf.vfs[2].vdpa[0].driver.empty());
}

TEST_CASE("Devices of the whole host") {
  Machine machine;
  CHECK_FALSE(machine.read().vhost_net);
  CHECK_FALSE(machine.read().rdma_cm);
  machine.sysfs.add_node("vhost-net");
  machine.sysfs.add_node("infiniband/rdma_cm");
  CHECK(machine.read().vhost_net);
  CHECK(machine.read().rdma_cm);
}
