// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "common/nic/inventory_json.h"

namespace sluice::nic {
namespace {

Netdev full_netdev() {
  Netdev out;
  out.name = "p0";
  out.if_index = 7;
  out.mac = MacAddr::parse("02:00:00:aa:bb:cc").value();
  out.carrier = true;
  out.type = 32;
  out.mtu = 9000;
  out.speed_mbps = 100000;
  out.physical_port_name = "p0";
  out.physical_switch_id = "aabb";
  return out;
}

RdmaDevice full_rdma() {
  RdmaDevice out{"mlx5_3",
                 "/dev/infiniband/uverbs3",
                 "/dev/infiniband/umad3",
                 "/dev/infiniband/issm3",
                 "/dev/infiniband/ucm3",
                 {}};
  out.ports.push_back({2, "ACTIVE", "LinkUp", "InfiniBand", {0x8001, 0x7fff}});
  return out;
}

void fill(Function& out, std::uint8_t bus) {
  out.address = {0x10000, bus, 3, 7};
  out.vendor = 0x15b3;
  out.device = 0x1017;
  out.class_code = 0x020700;
  out.driver = "mlx5_core";
  out.netdev = full_netdev();
  out.more_netdevs = {full_netdev(), full_netdev()};
  out.numa_node = 1;
  out.acpi_index = "101";
  out.pcie_path = {{0, 0, 1, 0}, {0, 2, 0, 0}};
  out.pcie_root = "pci0000:00";
  out.rdma = {full_rdma()};
  out.vdpa = {{"vdpa0", "vhost_vdpa", "/dev/vhost-vdpa-0"}};
  out.iommu_group = "17";
  out.iommu_noiommu = true;
  out.vfio_device = "vfio3";
  out.uio_device = "uio0";
}

Inventory full_inventory() {
  Inventory out;
  Pf pf;
  fill(pf, 0x3b);
  pf.sriov = true;
  pf.total_vfs = 128;
  pf.num_vfs = 1;
  pf.switch_id = "aabb";
  Vf vf;
  fill(vf, 0x3c);
  vf.index = 5;
  pf.vfs.push_back(vf);
  pf.sfs.push_back({"mlx5_core.sf.4", 88, "mlx5_core.sf", full_netdev(), {full_rdma()}});
  out.pfs.push_back(pf);
  Function function;
  fill(function, 0x81);
  out.accelerators.push_back(function);
  out.gpus.push_back(function);
  out.representors.push_back({"p0_5", "aabb", 1, 5, std::nullopt});
  out.representors.push_back({"p0_sf", "aabb", 1, std::nullopt, 88});
  out.broken.push_back({"0000:99:00.0", "gone"});
  out.vhost_net = true;
  out.rdma_cm = true;
  return out;
}

TEST_CASE("what was written is read back equal") {
  const std::string text = to_json(full_inventory());
  const auto read = inventory_from_json(text);
  REQUIRE(read);
  // Text for text: it names every field (next case).
  CHECK(to_json(*read) == text);
  CHECK(read->pfs[0].vfs[0].address == PciAddress{0x10000, 0x3c, 3, 7});
  CHECK(read->pfs[0].sfs[0].rdma[0].ports[0].pkeys == std::vector<std::uint16_t>{0x8001, 0x7fff});
  CHECK(read->representors[1].sf == 88);
  CHECK_FALSE(read->representors[1].vf);
  CHECK(to_json(inventory_from_json(to_json({})).value()) == to_json({}));
}

TEST_CASE("every value of a full inventory is in the text") {
  const std::string text = to_json(full_inventory());
  for (const char* value : {"\"10000:3b:03.7\"",
                            "5555",
                            "4119",
                            "132864",
                            "\"mlx5_core\"",
                            "\"02:00:00:aa:bb:cc\"",
                            "\"ifIndex\": 7",
                            "\"type\": 32",
                            "9000",
                            "100000",
                            "\"physicalPortName\": \"p0\"",
                            "\"physicalSwitchId\": \"aabb\"",
                            "\"moreNetdevs\"",
                            "\"numaNode\": 1",
                            "\"101\"",
                            "\"0000:02:00.0\"",
                            "\"pci0000:00\"",
                            "\"/dev/infiniband/uverbs3\"",
                            "\"/dev/infiniband/umad3\"",
                            "\"/dev/infiniband/issm3\"",
                            "\"/dev/infiniband/ucm3\"",
                            "\"number\": 2",
                            "\"ACTIVE\"",
                            "\"LinkUp\"",
                            "\"InfiniBand\"",
                            "32769",
                            "\"vhost_vdpa\"",
                            "\"/dev/vhost-vdpa-0\"",
                            "\"17\"",
                            "\"iommuNoiommu\": true",
                            "\"vfio3\"",
                            "\"uio0\"",
                            "\"sriov\": true",
                            "128",
                            "\"numVfs\": 1",
                            "\"switchId\": \"aabb\"",
                            "\"index\": 5",
                            "\"number\": 88",
                            "\"accelerators\"",
                            "\"gpus\"",
                            "\"vf\": 5",
                            "\"sf\": 88",
                            "\"0000:99:00.0\"",
                            "\"vhostNet\": true",
                            "\"rdmaCm\": true",
                            "\"carrier\": true"}) {
    INFO(value);
    CHECK(text.find(value) != std::string::npos);
  }
}

TEST_CASE("one written by hand may be short") {
  const auto read = inventory_from_json(
      R"({"pfs":[{"address":"3b:00.0","netdev":{"name":"p0"},"vfs":[{"address":"3b:00.2"}]}]})");
  REQUIRE(read);
  CHECK(read->pfs[0].netdev->name == "p0");
  CHECK(read->pfs[0].netdev->type == 1);
  CHECK(read->pfs[0].vfs[0].index == 0);
}

TEST_CASE("names that are no UTF-8 are written all the same") {
  Inventory inventory;
  inventory.broken.push_back({"\xff", "x"});
  CHECK(inventory_from_json(to_json(inventory)));
}

TEST_CASE("what is refused, and what the message names") {
  struct Row {
    std::string text;
    const char* named;
  };
  const std::vector<Row> rows = {
      {"", "is not JSON"},
      {"[]", "inventory must be an object"},
      {R"({"pf":[]})", "unknown key 'pf', did you mean 'pfs'?"},
      {R"({"pfs":{}})", "inventory.pfs must be a list"},
      {R"({"pfs":[1]})", "inventory.pfs[0] must be an object"},
      {R"({"pfs":[{"vfs":[{"adress":"3b:00.2"}]}]})",
       "inventory.pfs[0].vfs[0] has the unknown key 'adress', did you mean 'address'?"},
      {R"({"pfs":[{"address":"x"}]})", "inventory.pfs[0].address: 'x' is not a PCI address"},
      {R"({"pfs":[{"vendor":65536}]})", "vendor must be a number from 0 to 65535"},
      {R"({"pfs":[{"vendor":-1}]})", "vendor must be a number"},
      {R"({"pfs":[{"vendor":"15b3"}]})", "vendor must be a number"},
      {R"({"pfs":[{"numaNode":3000000000}]})", "numaNode must be a number from 0 to 2147483647"},
      {R"({"pfs":[{"netdev":null}]})", "netdev must be an object"},
      {R"({"pfs":[{"netdev":{"mac":"x"}}]})", "netdev.mac: "},
      {R"({"pfs":[{"driver":")" + std::string(257, 'x') + "\"}]}", "at most 256 bytes"},
      {R"({"vhostNet":1})", "vhostNet must be true or false"},
      {R"({"pfs":[{"address":"3b:00.0","vfs":[{"address":"3b:00.0"}]}]})",
       "the device '0000:3b:00.0' twice"},
      {R"({"pfs":[{"sfs":[{"name":"s"},{"name":"s"}]}]})", "the device 's' twice"},
      {std::string(kMaxInventoryBytes + 1, ' '), "allowed are 16777216"},
  };
  for (const auto& row : rows) {
    INFO(row.text.substr(0, 200));
    const auto read = inventory_from_json(row.text);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Code::kInvalid);
    INFO(read.error().message);
    CHECK(read.error().message.find(row.named) != std::string::npos);
  }
}

TEST_CASE("a flood of objects ends") {
  std::string text = R"({"gpus":[)";
  for (int i = 0; i < 70000; ++i) text += i > 0 ? ",{}" : "{}";
  CHECK_FALSE(inventory_from_json(text + "]}"));
  std::string nested = R"({"pfs":[)";
  for (int i = 0; i < 700; ++i) {
    nested += i > 0 ? ",{\"vfs\":[" : "{\"vfs\":[";
    for (int k = 0; k < 100; ++k) nested += k > 0 ? ",{}" : "{}";
    nested += "]}";
  }
  CHECK(inventory_from_json(nested + "]}").error().message.find("more than 65536 objects") !=
        std::string::npos);
}

}  // namespace
}  // namespace sluice::nic
