// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/device_plugin/differential/zoo.h"

#include "common/netlink/rtnetlink.h"
#include "tests/bench/device_plugin/machine.h"

namespace sluice::bench {
namespace {

using testing::FakeSysfs;
using testing::FunctionSpec;

void set_ids(FakeSysfs& zoo, const std::string& address, const std::string& vendor,
             const std::string& device, const std::string& class_code = "0x020000") {
  zoo.set(address, "vendor", vendor);
  zoo.set(address, "device", device);
  zoo.set(address, "modalias", modalias(vendor, device, class_code));
}

void add_rdma(FakeSysfs& zoo, const std::string& address, const std::string& name,
              unsigned number) {
  testing::RdmaSpec rdma;
  rdma.name = name;
  zoo.add_rdma(address, rdma);
  // The kernel's classes, by which the peer finds the character devices.
  const auto at = "../../" + zoo.directory_of(address) + "/";
  zoo.link("class/infiniband/" + name, at + "infiniband/" + name);
  const auto count = std::to_string(number);
  zoo.link("class/infiniband_verbs/uverbs" + count, at + "infiniband_verbs/uverbs" + count);
  for (const std::string kind : {"umad", "issm"}) {
    zoo.link("class/infiniband_mad/" + kind + count, at + "infiniband_mad/" + kind + count);
  }
}

void add_first_port(FakeSysfs& zoo) {
  const std::string pf = "0000:3b:00.0";
  zoo.add_pf(pf, "mlx5_core", "p0");
  set_ids(zoo, pf, "0x15b3", "0x101d");
  for (unsigned i = 0; i < 8; ++i) {
    const auto vf = "0000:3b:02." + std::to_string(i);
    zoo.add_vf(pf, i, vf, i < 4 ? "mlx5_core" : "vfio-pci");
    set_ids(zoo, vf, "0x15b3", "0x101e");
    if (i < 4) {
      zoo.add_netdev(vf, "p0v" + std::to_string(i), testing::NetdevSpec{});
    } else {
      zoo.set_iommu_group(vf, std::to_string(40 + i));
    }
  }
  zoo.set("0000:3b:02.3", "acpi_index", "101");
  add_rdma(zoo, "0000:3b:02.1", "mlx5_1", 0);
  add_rdma(zoo, "0000:3b:02.2", "mlx5_2", 1);
  zoo.add_node("infiniband/rdma_cm");
  for (unsigned i = 2; i < 4; ++i) {
    const auto number = std::to_string(i);
    zoo.add_sf(pf, "mlx5_core.sf." + number, i + 10, "p0s" + number);
  }
}

void add_second_port(FakeSysfs& zoo) {
  const std::string pf = "0000:5e:00.0";
  FunctionSpec spec;
  spec.numa_node = "1";
  zoo.add_pf(pf, "ice", "p1", spec);
  set_ids(zoo, pf, "0x8086", "0x1592");
  for (unsigned i = 0; i < 5; ++i) {
    const auto vf = "0000:5e:02." + std::to_string(i);
    zoo.add_vf(pf, i, vf, i == 2 ? "igb_uio" : i == 3 ? "" : "vfio-pci");
    set_ids(zoo, vf, "0x8086", "0x1889");
  }
  zoo.set_iommu_group("0000:5e:02.0", "60");
  zoo.set_iommu_group("0000:5e:02.1", "61", true);
  zoo.add_uio("0000:5e:02.2", "uio0");
  zoo.set_iommu_group("0000:5e:02.4", "64");
  zoo.set("0000:5e:02.4", "numa_node", "-1");
}

}  // namespace

std::unique_ptr<FakeSysfs> make_zoo(const std::string& directory) {
  auto zoo = std::make_unique<FakeSysfs>(directory);
  add_first_port(*zoo);
  add_second_port(*zoo);
  zoo->add_pf("0000:81:00.0", "ice", "p2");
  set_ids(*zoo, "0000:81:00.0", "0x8086", "0x1593");
  zoo->add_nic("0000:82:00.0", "igb", "n0");
  set_ids(*zoo, "0000:82:00.0", "0x8086", "0x1521");
  for (const std::string address : {"0000:b1:00.0", "0000:b2:00.0"}) {
    zoo->add_accelerator(address, address == "0000:b1:00.0" ? "vfio-pci" : "igb_uio");
    set_ids(*zoo, address, "0x8086", "0x0d5c", "0x120000");
  }
  zoo->set_iommu_group("0000:b1:00.0", "70");
  zoo->add_uio("0000:b2:00.0", "uio1");
  zoo->set("0000:b1:00.0", "acpi_index", "7");
  zoo->add_node("vhost-net");
  zoo->add_node("net/tun");
  return zoo;
}

std::vector<std::string> zoo_ethernets() {
  return {"p0", "p0v0", "p0v1", "p0v2", "p0v3", "p0s2", "p0s3", "p1", "p2", "n0"};
}

Status join(const os::NetNs& netns, FakeSysfs& zoo) {
  SLUICE_TRY(auto rtnl, netlink::Rtnl::open_in(netns));
  for (const auto& name : zoo_ethernets()) {
    SLUICE_TRY(const auto link, rtnl.link(name));
    zoo.set_netdev(name, "ifindex", std::to_string(link.index.value));
  }
  SLUICE_TRY(const auto uplink, rtnl.link("n0"));
  netlink::Route route;
  route.link = uplink.index;
  return rtnl.replace_route(route);
}

}  // namespace sluice::bench
