// SPDX-License-Identifier: Apache-2.0
// The ordinary course of things, by the plugin watcher and by Register.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/component/device_plugin/node.h"

namespace sluice::test {
namespace {

TEST_CASE(
    "registers, lists in index order with NUMA nodes, allocates, refuses when all are taken") {
  Node node;
  const auto register_socket = node.dir() + "/kubelet/device-plugins/sluice.dev_vf.sock";
  SUBCASE("found by the plugin watcher") {
    node.start_kubelet(true);
    node.start_plugin();
    REQUIRE(node.has_devices(4));
    CHECK(std::filesystem::exists(node.plugin_socket()));
    CHECK_FALSE(std::filesystem::exists(register_socket));
  }
  SUBCASE("by Register, where there is no registry") {
    node.start_kubelet(false);
    node.start_plugin();
    REQUIRE(node.has_devices(4));
    CHECK(std::filesystem::exists(register_socket));
  }
  SUBCASE("by Register, because that was asked for") {
    node.start_kubelet(true);
    node.start_plugin({"--registration", "register"});
    REQUIRE(node.has_devices(4));
    CHECK_FALSE(std::filesystem::exists(node.plugin_socket()));
  }
  const auto devices = node.resource()["devices"];
  for (unsigned i = 0; i < 4; ++i) {
    CHECK(devices[i] == json{{"id", node.vf(i)}, {"healthy", true}, {"pod", ""}, {"numa", 0}});
  }
  CHECK(node.allocate("shop/web-0", 1)["devices"] == json{node.vf(0)});
  const auto more = node.allocate("shop/web-1", 3);
  CHECK(more["envs"]["SLUICE_VF_VF"] == node.vf(1) + "," + node.vf(2) + "," + node.vf(3));
  CHECK(node.allocate("shop/web-2", 1)["error"] ==
        "shop/web-2 wants 1 of sluice.dev/vf, 0 of 4 are free");
  CHECK(node.ask({{"op", "free"}, {"pod", "shop/web-1"}}) == json{{"freed", 3}});
  CHECK(node.allocate("shop/web-2", 1)["devices"] == json{node.vf(1)});
  CHECK(node.registrations() == 1);
  CHECK_FALSE(node.ever_at_zero());
}

TEST_CASE("a preference policy decides which devices are taken") {
  Node node;
  node.sysfs().add_pf("0000:5e:00.0", "pfdrv", "p1");
  const auto others = node.sysfs().add_vfs("0000:5e:00.0", 4, "vfdrv");
  node.configure(R"({"pools": [{"name": "vf", "policy": "spread"}]})");
  node.start_kubelet();
  node.start_plugin(node.with_config());
  REQUIRE(node.has_devices(8));
  const auto spread = node.allocate("a/b", 2)["devices"];
  REQUIRE(spread.size() == 2);
  const auto of_first = [](const json& id) { return id.get<std::string>().starts_with("0000:3b"); };
  CHECK(of_first(spread[0]) != of_first(spread[1]));
  node.ask({{"op", "free"}, {"pod", "a/b"}});
  node.configure(R"({"pools": [{"name": "vf", "policy": "packed"}]})");
  CHECK(eventually([&] {
    const auto packed = node.allocate("a/b", 2)["devices"];
    node.ask({{"op", "free"}, {"pod", "a/b"}});
    return packed.size() == 2 && of_first(packed[0]) == of_first(packed[1]);
  }));
}

}  // namespace
}  // namespace sluice::test
