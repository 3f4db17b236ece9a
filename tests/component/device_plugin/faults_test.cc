// SPDX-License-Identifier: Apache-2.0
// What goes wrong on a node: kubelets, sockets, instances, devices.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>

#include "tests/component/device_plugin/node.h"

namespace sluice::test {
namespace {

TEST_CASE("starts before there is a kubelet, or its directory") {
  for (const bool registry : {true, false}) {
    CAPTURE(registry);
    Node node;
    node.start_plugin();
    REQUIRE(eventually([&] { return std::filesystem::exists(node.own_socket()); }));
    node.start_kubelet(registry);
    CHECK(node.has_devices(4));
  }
}

TEST_CASE("a kubelet that restarts gets us again, and nothing is given twice") {
  for (const bool registry : {true, false}) {
    CAPTURE(registry);
    Node node;
    node.start_kubelet(registry);
    node.start_plugin();
    REQUIRE(node.has_devices(4));
    REQUIRE(node.allocate("a/b", 1)["devices"] == json{node.vf(0)});
    // In place: its checkpoint knows the pod.
    REQUIRE(node.ask({{"op", "restart"}}));
    REQUIRE(node.has_devices(4));
    CHECK(node.allocate("a/c", 1)["devices"] == json{node.vf(1)});
    // As a process: cleanly, then without a chance to clean up.
    for (const int signal : {SIGTERM, SIGKILL}) {
      node.kubelet->stop(signal);
      node.start_kubelet(registry);
      REQUIRE(node.has_devices(4));
    }
  }
}

TEST_CASE("our socket files are deleted") {
  for (const bool registry : {true, false}) {
    CAPTURE(registry);
    Node node;
    node.start_kubelet(registry);
    node.start_plugin();
    REQUIRE(node.has_devices(4));
    CHECK(node.ask({{"op", "delete-sockets"}}) == json{{"deleted", 1}});
    REQUIRE(eventually([&] { return node.registrations() == 2; }));
    REQUIRE(node.has_devices(4));
    CHECK(node.allocate("a/b", 1)["devices"].size() == 1);
  }
}

TEST_CASE("a kubelet that refuses or hangs, and then doesn't") {
  for (const bool registry : {true, false}) {
    for (const char* manner : {"refuse", "hang"}) {
      CAPTURE(registry);
      CAPTURE(manner);
      Node node;
      node.start_kubelet(registry);
      REQUIRE(node.ask({{"op", "manner"}, {"manner", manner}}));
      node.start_plugin();
      const auto socket = registry ? node.plugin_socket()
                                   : node.dir() + "/kubelet/device-plugins/sluice.dev_vf.sock";
      REQUIRE(eventually([&] { return std::filesystem::exists(socket); }));
      CHECK(node.registrations() == 0);
      REQUIRE(node.ask({{"op", "manner"}, {"manner", "accept"}}));
      CHECK(node.has_devices(4));
    }
  }
}

TEST_CASE("two instances: one serves, the other waits and takes over") {
  for (const char* instance : {"one", "two"}) {  // of the same state, and of their own
    CAPTURE(instance);
    Node node;
    node.start_kubelet();
    node.start_plugin();
    REQUIRE(node.has_devices(4));
    auto second = node.make_plugin({}, instance);
    node.sysfs().unbind(node.vf(0));
    REQUIRE(node.has_devices(3));
    CHECK(node.registrations() == 1);
    SUBCASE("the first ends") { CHECK(node.plugin->stop(SIGTERM) == 0); }
    SUBCASE("the first is killed") { node.plugin->stop(SIGKILL); }
    REQUIRE(eventually([&] { return node.registrations() == 2; }));
    REQUIRE(node.has_devices(3));
    CHECK(second->stop(SIGTERM) == 0);
  }
}

TEST_CASE("killed and started again: what pods have is still theirs") {
  Node node;
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(node.has_devices(4));
  REQUIRE(node.allocate("shop/web-0", 2)["devices"].size() == 2);
  node.plugin->stop(SIGKILL);
  node.start_plugin();
  REQUIRE(eventually([&] { return node.registrations() == 2; }));
  REQUIRE(node.has_devices(4));
  CHECK(node.allocate("shop/web-1", 2)["devices"] == json{node.vf(2), node.vf(3)});
  CHECK(node.allocate("shop/web-2", 1)["error"] ==
        "shop/web-2 wants 1 of sluice.dev/vf, 0 of 4 are free");
}

TEST_CASE("SIGTERM in the middle of ListAndWatch: a clean exit, and no socket is left") {
  Node node;
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(node.has_devices(4));
  CHECK(std::filesystem::exists(node.plugin_socket()));
  CHECK(node.plugin->stop(SIGTERM) == 0);
  CHECK_FALSE(std::filesystem::exists(node.plugin_socket()));
  CHECK(node.has_devices(0));
}

TEST_CASE("a VF that loses its driver, and gets it back, on one stream") {
  Node node;
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(node.has_devices(4));
  node.sysfs().unbind(node.vf(1));
  REQUIRE(node.has_devices(3));
  CHECK(node.devices() == 4);
  CHECK(node.allocate("a/b", 3)["devices"] == json{node.vf(0), node.vf(2), node.vf(3)});
  node.sysfs().bind(node.vf(1), "vfdrv");
  REQUIRE(node.has_devices(4));
  CHECK(node.registrations() == 1);
  CHECK_FALSE(node.ever_at_zero());
}

TEST_CASE("VFs that vanish and come, also while they are read") {
  Node node;
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(node.has_devices(4));
  node.sysfs().remove_vf(kPf, 3, node.vf(3));
  REQUIRE(node.has_devices(3));
  node.sysfs().add_vf(kPf, 3, node.vf(3), "vfdrv");
  REQUIRE(node.has_devices(4));
  // Entries without what belongs to them, as in the midst of a removal.
  node.sysfs().link("bus/pci/devices/0000:ff:00.0", "../../../devices/pci0000:00/0000:ff:00.0");
  node.sysfs().link("bus/pci/devices/junk", "../../../devices/pci0000:00/junk");
  node.sysfs().unset(node.vf(2), "vendor");
  REQUIRE(eventually([&] { return node.healthy() == 3 || node.healthy() == 4; }));
  for (int i = 0; i < 20; ++i) {
    node.sysfs().remove_vf(kPf, 3, node.vf(3));
    node.sysfs().add_vf(kPf, 3, node.vf(3), "vfdrv");
  }
  node.sysfs().set(node.vf(2), "vendor", "0x15b3");
  REQUIRE(node.has_devices(4));
  CHECK_FALSE(node.ever_at_zero());
}

TEST_CASE("a VF that changes its driver, or goes, before Allocate: refused, with the reason") {
  Node node;
  node.configure(R"({"pools": [{"name": "vf", "selectors": {"drivers": ["vfdrv"]}}]})");
  node.start_kubelet();
  // So rarely that what Allocate sees isn't what was listed.
  auto flags = node.with_config();
  flags.insert(flags.end(), {"--rescan-seconds", "600"});
  node.start_plugin(flags);
  REQUIRE(node.has_devices(4));
  node.sysfs().bind(node.vf(0), "other");
  const auto changed = node.allocate_ids("a/b", {node.vf(0)}).value("error", "");
  CHECK_MESSAGE(changed.find(node.vf(0)) != std::string::npos, changed);
  CHECK_MESSAGE(changed.find("other") != std::string::npos, changed);
  // It isn't offered any longer.
  CHECK(node.has_devices(3));
  node.sysfs().unbind(node.vf(1));
  const auto unbound = node.allocate_ids("a/b", {node.vf(1)}).value("error", "");
  CHECK_MESSAGE(unbound.find("driver") != std::string::npos, unbound);
  node.sysfs().remove_vf(kPf, 2, node.vf(2));
  const auto gone = node.allocate_ids("a/b", {node.vf(2)}).value("error", "");
  CHECK_MESSAGE(gone.find(node.vf(2)) != std::string::npos, gone);
  CHECK(node.allocate_ids("a/b", {"0000:99:00.1"}).value("error", "").find("0000:99:00.1") !=
        std::string::npos);
  CHECK(node.allocate_ids("a/c", {node.vf(3)})["devices"] == json{node.vf(3)});
}

TEST_CASE("what could not be given is not offered: a vfio VF without an IOMMU group") {
  Node node(2);
  node.sysfs().bind(node.vf(0), "vfio-pci");
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(eventually([&] { return node.devices() == 2; }));
  CHECK(node.has_devices(1));
  node.sysfs().set_iommu_group(node.vf(0), "41");
  CHECK(node.has_devices(2));
}

TEST_CASE("without a sysfs tree the resource is there with nothing in it, until there is one") {
  Node node;
  std::filesystem::rename(node.dir() + "/sys", node.dir() + "/later");
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(eventually([&] { return !node.resource().is_null(); }));
  CHECK(node.devices() == 0);
  std::filesystem::rename(node.dir() + "/later", node.dir() + "/sys");
  CHECK(node.has_devices(4));
}

TEST_CASE("a VF whose netdev is away in a pod stays healthy") {
  Node node;
  node.sysfs().add_netdev(node.vf(0), "vf0", "02:00:00:00:00:01", 9);
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(node.has_devices(4));
  node.sysfs().remove_netdev("vf0");
  node.sysfs().unbind(node.vf(1));  // something that is seen
  REQUIRE(node.has_devices(3));
  CHECK(node.resource()["devices"][0]["healthy"] == true);
}

}  // namespace
}  // namespace sluice::test
