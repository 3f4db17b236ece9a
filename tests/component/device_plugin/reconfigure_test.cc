// SPDX-License-Identifier: Apache-2.0
// Another configuration under a running plugin, good and bad.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/component/device_plugin/node.h"

namespace sluice::test {
namespace {

constexpr const char* kAll = R"({"pools": [{"name": "vf"}]})";
constexpr const char* kSplit = R"({"pools": [
  {"name": "vf", "selectors": {"pfNames": ["p0#0-1"]}},
  {"name": "fast", "selectors": {"pfNames": ["p0#2-3"]}}]})";

TEST_CASE("pools come, change and go; allocatable never drops to zero") {
  for (const bool registry : {true, false}) {
    CAPTURE(registry);
    Node node;
    node.configure(kAll);
    node.start_kubelet(registry);
    node.start_plugin(node.with_config());
    REQUIRE(node.has_devices(4));
    for (int i = 0; i < 3; ++i) {
      node.configure(kSplit);
      REQUIRE(node.has_devices(2));
      REQUIRE(node.has_devices(2, "sluice.dev/fast"));
      CHECK(node.devices() == 2);
      node.configure(kAll);
      REQUIRE(node.has_devices(4));
      // A pool that is gone is nobody's: its stream ended.
      REQUIRE(node.has_devices(0, "sluice.dev/fast"));
    }
    CHECK_FALSE(node.ever_at_zero());
    CHECK(node.registrations() == 1);
  }
}

TEST_CASE("a device that is in use stays where it was given from until it is free") {
  Node node;
  node.configure(kAll);
  node.start_kubelet();
  node.start_plugin(node.with_config());
  REQUIRE(node.has_devices(4));
  REQUIRE(node.allocate_ids("shop/web-0", {node.vf(3)})["devices"] == json{node.vf(3)});
  node.configure(kSplit);
  REQUIRE(node.has_devices(1, "sluice.dev/fast"));
  REQUIRE(node.has_devices(2));
  REQUIRE(node.devices() == 3);
  CHECK(node.resource()["devices"][2]["id"] == node.vf(3));
  CHECK(node.resource()["devices"][2]["healthy"] == false);
  CHECK(node.ask({{"op", "free"}, {"pod", "shop/web-0"}}) == json{{"freed", 1}});
  REQUIRE(node.has_devices(2, "sluice.dev/fast"));
  CHECK(eventually([&] { return node.devices() == 2; }));
  CHECK_FALSE(node.ever_at_zero());
}

TEST_CASE("a configuration that can't be taken changes nothing") {
  Node node;
  node.configure(kAll);
  node.start_kubelet();
  node.start_plugin(node.with_config());
  REQUIRE(node.has_devices(4));
  SUBCASE("no JSON") { node.configure("{"); }
  SUBCASE("empty") { node.configure(""); }
  SUBCASE("huge") {
    node.configure(R"({"pools": [{"name": "vf"}], "x": ")" + std::string(2U << 20U, 'x') + "\"}");
  }
  SUBCASE("duplicate names") { node.configure(R"({"pools": [{"name": "a"}, {"name": "a"}]})"); }
  SUBCASE("a key that is none") { node.configure(R"({"pools": [{"name": "a", "typ": "vf"}]})"); }
  SUBCASE("gone") { std::filesystem::remove(node.config_path()); }
  // The kubelet hears nothing of it, but of what comes next.
  node.sysfs().unbind(node.vf(0));
  REQUIRE(node.has_devices(3));
  CHECK(node.devices() == 4);
  node.configure(kSplit);
  REQUIRE(node.has_devices(2, "sluice.dev/fast"));
  CHECK_FALSE(node.ever_at_zero());
  CHECK(node.registrations() == 1);
}

TEST_CASE("started with a configuration that can't be taken: alive, and there when it is mended") {
  Node node;
  SUBCASE("absent") {}
  SUBCASE("empty") { node.configure(""); }
  SUBCASE("duplicate names") { node.configure(R"({"pools": [{"name": "a"}, {"name": "a"}]})"); }
  node.start_kubelet();
  node.start_plugin(node.with_config());
  // It is at work: its own socket is there.
  REQUIRE(eventually([&] { return std::filesystem::exists(node.own_socket()); }));
  CHECK(node.resource().is_null());
  node.configure(kAll);
  CHECK(node.has_devices(4));
}

TEST_CASE(
    "overlapping selectors: the first pool that takes a device has it; an empty pool is one") {
  Node node;
  node.configure(R"({"pools": [{"name": "low", "selectors": {"pfNames": ["p0#0-1"]}},
                               {"name": "rest"}, {"name": "none"}]})");
  node.start_kubelet();
  node.start_plugin(node.with_config());
  REQUIRE(node.has_devices(2, "sluice.dev/low"));
  REQUIRE(node.has_devices(2, "sluice.dev/rest"));
  REQUIRE(eventually([&] { return !node.resource("sluice.dev/none").is_null(); }));
  CHECK(node.devices("sluice.dev/none") == 0);
  CHECK(node.resource("sluice.dev/rest")["devices"][0]["id"] == node.vf(2));
}

TEST_CASE("the peer's configuration as it is") {
  Node node;
  node.configure(R"({"resourceList": [
    {"resourceName": "low", "selectors": {"pfNames": ["p0#0-1"]}},
    {"resourceName": "high", "resourcePrefix": "example.com", "excludeTopology": true,
     "selectors": [{"pfNames": ["p0#2"]}, {"pciAddresses": [")" +
                 node.vf(3) + R"("]}]},
    {"resourceName": "typo", "selectors": {"pfName": ["p0"]}}]})");
  node.start_kubelet();
  node.start_plugin(node.with_config());
  REQUIRE(node.has_devices(2, "intel.com/low"));
  REQUIRE(node.has_devices(2, "example.com/high"));
  CHECK(node.resource("intel.com/low")["devices"][0]["numa"] == 0);
  CHECK_FALSE(node.resource("example.com/high")["devices"][0].contains("numa"));
  // A misspelled selector selects nothing.
  CHECK(node.devices("intel.com/typo") == 0);
  const auto answer = node.allocate("a/b", 1, "intel.com/low");
  CHECK(answer["envs"]["PCIDEVICE_INTEL_COM_LOW"] == node.vf(0));
}

}  // namespace
}  // namespace sluice::test
