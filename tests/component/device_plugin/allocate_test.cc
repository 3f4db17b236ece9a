// SPDX-License-Identifier: Apache-2.0
// The exact Allocate answers of every device type, over the kubelet's protocol.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/component/device_plugin/node.h"

namespace sluice::test {
namespace {

// A machine with one device of every type, each in a pool of its own.
constexpr const char* kConfig = R"({"pools": [
  {"name": "net", "selectors": {"pfNames": ["p0#0"]}},
  {"name": "vfio", "selectors": {"pfNames": ["p0#1-2"]}},
  {"name": "rdma", "selectors": {"pfNames": ["p0#3"], "isRdma": true}},
  {"name": "vhost", "selectors": {"pfNames": ["p0#4"], "needVhostNet": true}},
  {"name": "vdpa", "selectors": {"pfNames": ["p0#5"], "vdpaType": "vhost"}},
  {"name": "uio-fast", "selectors": {"pfNames": ["p0#6"]},
   "additionalInfo": {"*": {"rate": "slow", "zone": "a"}, "0000:3b:00.7": {"rate": "fast"}}},
  {"name": "sf", "type": "sf"},
  {"name": "pf", "type": "pf", "selectors": {"pfNames": ["p1"]}},
  {"name": "accel", "type": "accelerator"}]})";

void build(Node& node) {
  auto& sysfs = node.sysfs();
  sysfs.bind(node.vf(1), "vfio-pci");
  sysfs.set_iommu_group(node.vf(1), "41");
  sysfs.add_vfio_device(node.vf(1), "vfio3");
  sysfs.bind(node.vf(2), "vfio-pci");
  sysfs.set_iommu_group(node.vf(2), "42", true);
  sysfs.add_rdma(node.vf(3), {.name = "mlx5_3"});
  sysfs.add_node("infiniband/rdma_cm");
  sysfs.add_node("vhost-net");
  sysfs.add_node("net/tun");
  sysfs.add_vdpa(node.vf(5), "vdpa0", "vhost_vdpa");
  sysfs.bind(node.vf(6), "igb_uio");
  sysfs.add_uio(node.vf(6), "uio0");
  sysfs.add_pf("0000:5e:00.0", "pfdrv", "p1");
  sysfs.add_sf("0000:5e:00.0", "mlx5_core.sf.4", 88, "p1s88");
  sysfs.add_accelerator("0000:81:00.0", "accdrv");
}

json info(const std::string& id, json providers = json::object()) {
  providers["generic"] = {{"deviceID", id}};
  return {{id, std::move(providers)}};
}

json node_at(const std::string& path) {
  return {{"container", path}, {"host", path}, {"permissions", "rw"}};
}

// One device of a pool, with what it is told and what it gets.
void check(const Node& node, const std::string& pool, const std::string& variable,
           const std::string& id, const json& providers, const json& nodes) {
  CAPTURE(pool);
  const auto answer = node.allocate_ids("lab/" + pool, {id}, "sluice.dev/" + pool);
  REQUIRE_MESSAGE(!answer.contains("error"), answer.dump());
  CHECK(answer["devices"] == json{id});
  CHECK(answer["envs"] ==
        json{{"PCIDEVICE_SLUICE_DEV_" + variable, id},
             {"PCIDEVICE_SLUICE_DEV_" + variable + "_INFO", info(id, providers).dump()},
             {"SLUICE_VF_" + variable, id}});
  CHECK(answer["nodes"] == nodes);
  CHECK(answer["mounts"] == json::array());
  CHECK(answer["cdi"] == json::array());
}

TEST_CASE("every device type") {
  Node node(7);
  build(node);
  node.configure(kConfig);
  node.start_kubelet();
  node.start_plugin(node.with_config());
  for (const char* pool : {"net", "rdma", "vhost", "vdpa", "uio-fast", "sf", "pf", "accel"}) {
    CAPTURE(pool);
    REQUIRE(node.has_devices(1, std::string("sluice.dev/") + pool));
  }
  REQUIRE(node.has_devices(2, "sluice.dev/vfio"));

  check(node, "net", "NET", node.vf(0), json::object(), json::array());
  check(node, "vfio", "VFIO", node.vf(1),
        {{"vfio", {{"mount", "/dev/vfio/vfio"}, {"dev-mount", "/dev/vfio/41"}}}},
        {node_at("/dev/vfio/vfio"), node_at("/dev/vfio/41")});
  // Without an IOMMU the file has another name on the host than in the container.
  check(node, "vfio", "VFIO", node.vf(2),
        {{"vfio", {{"mount", "/dev/vfio/vfio"}, {"dev-mount", "/dev/vfio/42"}}}},
        {node_at("/dev/vfio/vfio"),
         {{"container", "/dev/vfio/42"}, {"host", "/dev/vfio/noiommu-42"}, {"permissions", "rw"}}});
  check(node, "rdma", "RDMA", node.vf(3),
        {{"rdma",
          {{"issm", "/dev/infiniband/issm0"},
           {"umad", "/dev/infiniband/umad0"},
           {"uverbs", "/dev/infiniband/uverbs0"},
           {"rdma_dev", "mlx5_3"},
           {"rdma_cm", "/dev/infiniband/rdma_cm"}}}},
        {node_at("/dev/infiniband/issm0"), node_at("/dev/infiniband/umad0"),
         node_at("/dev/infiniband/uverbs0"), node_at("/dev/infiniband/rdma_cm")});
  check(node, "vhost", "VHOST", node.vf(4),
        {{"vhost", {{"net-mount", "/dev/vhost-net"}, {"tun-mount", "/dev/net/tun"}}}},
        {node_at("/dev/vhost-net"), node_at("/dev/net/tun")});
  check(node, "vdpa", "VDPA", node.vf(5), {{"vdpa", {{"mount", "/dev/vhost-vdpa-0"}}}},
        json::array({node_at("/dev/vhost-vdpa-0")}));
  check(node, "sf", "SF", "mlx5_core.sf.4", json::object(), json::array());
  check(node, "pf", "PF", "0000:5e:00.0", json::object(), json::array());
  check(node, "accel", "ACCEL", "0000:81:00.0", json::object(), json::array());

  // A '-' in the name: the peer's variable, and one that a shell can read.
  const auto uio = node.allocate("lab/uio", 1, "sluice.dev/uio-fast");
  const auto told = info(node.vf(6), {{"uio", {{"mount", "/dev/uio0"}}},
                                      {"extra", {{"rate", "slow"}, {"zone", "a"}}}})
                        .dump();
  CHECK(uio["envs"] == json{{"PCIDEVICE_SLUICE_DEV_UIO-FAST", node.vf(6)},
                            {"PCIDEVICE_SLUICE_DEV_UIO-FAST_INFO", told},
                            {"PCIDEVICE_SLUICE_DEV_UIO_FAST", node.vf(6)},
                            {"PCIDEVICE_SLUICE_DEV_UIO_FAST_INFO", told},
                            {"SLUICE_VF_UIO_FAST", node.vf(6)}});
  CHECK(uio["nodes"] == json::array({node_at("/dev/uio0")}));
}

TEST_CASE("the newer way to a vfio device, where the host has it") {
  Node node(3);
  node.sysfs().bind(node.vf(0), "vfio-pci");
  node.sysfs().set_iommu_group(node.vf(0), "41");
  node.sysfs().add_vfio_device(node.vf(0), "vfio3");
  node.sysfs().add_node("iommu");
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(node.has_devices(3));
  const auto answer = node.allocate_ids("a/b", {node.vf(0)});
  CHECK(answer["nodes"] == json{node_at("/dev/vfio/vfio"), node_at("/dev/vfio/41"),
                                node_at("/dev/vfio/devices/vfio3"), node_at("/dev/iommu")});
}

TEST_CASE("several devices and several containers; who has what is told to whoever asks") {
  Node node;
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(node.has_devices(4));
  const auto answer = node.ask({{"op", "allocate"},
                                {"pod", "shop/web-0"},
                                {"resource", kResource},
                                {"containers", {{"app", 2}, {"sidecar", 1}}}});
  REQUIRE(answer);
  CHECK((*answer)["containers"]["app"]["envs"]["PCIDEVICE_SLUICE_DEV_VF"] ==
        node.vf(0) + "," + node.vf(1));
  CHECK((*answer)["containers"]["sidecar"]["envs"]["PCIDEVICE_SLUICE_DEV_VF"] == node.vf(2));
  CHECK(node.allocate("shop/web-1", 2)["error"] ==
        "shop/web-1 wants 2 of sluice.dev/vf, 1 of 4 are free");
  CHECK(node.ask({{"op", "free"}, {"pod", "shop/web-0"}}) == json{{"freed", 3}});
  CHECK(node.allocate("shop/web-1", 2)["devices"].size() == 2);
}

TEST_CASE("by CDI: names in the answer, nodes in a specification that is there before") {
  Node node(1);
  node.sysfs().bind(node.vf(0), "vfio-pci");
  node.sysfs().set_iommu_group(node.vf(0), "41");
  node.start_kubelet();
  node.start_plugin({"--use-cdi"});
  REQUIRE(node.has_devices(1));
  const auto answer = node.allocate("a/b", 1);
  CHECK(answer["nodes"] == json::array());
  CHECK(answer["cdi"] == json{"sluice.dev/vf=" + node.vf(0)});
  CHECK(answer["envs"]["PCIDEVICE_SLUICE_DEV_VF"] == node.vf(0));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(node.dir() + "/cdi")) {
    files += entry.path().extension() == ".json" ? 1 : 0;
  }
  CHECK(files == 1);
  // A specification survives us: running pods may be started again.
  CHECK(node.plugin->stop(SIGTERM) == 0);
  CHECK_FALSE(std::filesystem::is_empty(node.dir() + "/cdi"));
}

}  // namespace
}  // namespace sluice::test
