// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/uses.h"

#include <doctest/doctest.h>

namespace sluice::broker {
namespace {

using Front = pools::Use::Front;

const Ours kOurs{{"sluice.dev/vf", "sluice.dev/rdma"}, {"0000:08:00.1"}};

kubelet::PodDevices pod(std::string name, std::string resource, std::vector<std::string> ids) {
  return {"shop", std::move(name), {{std::move(resource), std::move(ids)}}, {}};
}

nic::Inventory inventory_of(unsigned vfs) {
  nic::Inventory inventory;
  nic::Pf pf;
  pf.address = nic::PciAddress{0, 8, 0, 0};
  pf.class_code = 0x020000;
  pf.driver = "mlx5_core";
  pf.sriov = true;
  pf.num_vfs = static_cast<std::uint16_t>(vfs);
  for (unsigned i = 0; i < vfs; ++i) {
    nic::Vf vf;
    vf.address = nic::PciAddress{0, 8, 0, static_cast<std::uint8_t>(i + 1)};
    vf.class_code = 0x020000;
    vf.driver = "mlx5_core";
    vf.index = static_cast<std::uint16_t>(i);
    pf.vfs.push_back(vf);
  }
  inventory.pfs.push_back(pf);
  return inventory;
}

pools::PoolSet two_pools() {
  config::Config config;
  for (const char* name : {"rdma", "vf"}) {
    config::PoolConfig pool;
    pool.name = name;
    pool.prefix = "sluice.dev";
    config::Selector selector;
    selector.pf_names = {};
    selector.root_devices = {
        {"0000:08:00.0",
         false,
         {name == std::string("rdma") ? config::IndexRange{0, 1} : config::IndexRange{2, 5}}}};
    pool.selectors = {selector};
    config.pools.push_back(pool);
  }
  pools::PoolSet set(config);
  pools::Snapshot snapshot;
  snapshot.inventory = std::make_shared<nic::Inventory>(inventory_of(6));
  set.update(snapshot, TimePoint{});
  return set;
}

}  // namespace

TEST_CASE("a grant counts until the kubelet lists it") {
  ManualClock clock;
  Uses uses;
  CHECK_FALSE(uses.known());
  uses.granted("sluice.dev/vf", {"a", "b"}, clock.now());
  CHECK(uses.all().size() == 2);
  CHECK(uses.all().at("a").holder == "a pod that is being made");

  uses.listed({pod("web", "sluice.dev/vf", {"a"})}, kOurs, clock.now());
  CHECK(uses.known());
  CHECK(uses.all().at("a").holder == "shop/web");
  CHECK(uses.all().contains("b"));

  SUBCASE("without a list for ever, and after its patience until the next one") {
    clock.advance(kGrantPatience + std::chrono::seconds(1));
    CHECK(uses.all().contains("b"));
    uses.listed({pod("web", "sluice.dev/vf", {"a"})}, kOurs, clock.now());
    CHECK_FALSE(uses.all().contains("b"));
    CHECK(uses.all().contains("a"));
  }
  SUBCASE("what was listed and is no more is free at once") {
    uses.listed({}, kOurs, clock.now());
    CHECK_FALSE(uses.all().contains("a"));
    CHECK(uses.all().contains("b"));
  }
}

TEST_CASE("other plugins' devices are nothing to us") {
  ManualClock clock;
  Uses uses;
  uses.listed({pod("web", "nvidia.com/gpu", {"GPU-1"})}, kOurs, clock.now());
  CHECK(uses.all().empty());
  // But a device of ours is, whatever it was given as.
  uses.listed({pod("web", "elsewhere.io/vf", {"0000:08:00.1"})}, kOurs, clock.now());
  CHECK(uses.all().at("0000:08:00.1").resource == "elsewhere.io/vf");
}

TEST_CASE("claims hold devices beside pods, and the kubelet's list wins") {
  ManualClock clock;
  Uses uses;
  uses.set_claims({{"a", {Front::kDra, "", "claim shop/net"}}});
  CHECK(uses.all().at("a").front == Front::kDra);
  uses.listed({pod("web", "sluice.dev/vf", {"a"})}, kOurs, clock.now());
  CHECK(uses.all().at("a").front == Front::kDevicePlugin);
}

TEST_CASE("claims of this driver are known from the kubelet's list too") {
  ManualClock clock;
  Uses uses;
  uses.listed({{"shop", "web", {}, {{"shop", "net", "sluice.dev", "node-a", "0000-08-00-3"}}}},
              kOurs, clock.now());
  CHECK(uses.all().at("0000:08:00.3").front == Front::kDra);
  CHECK(uses.all().at("0000:08:00.3").holder == "claim shop/net");
}

TEST_CASE("sequence numbers grow with each grant") {
  ManualClock clock;
  Uses uses;
  CHECK(uses.sequence("a") == 0);
  uses.granted("sluice.dev/vf", {"a"}, clock.now());
  uses.granted("sluice.dev/vf", {"b"}, clock.now());
  CHECK(uses.sequence("a") < uses.sequence("b"));
  uses.claimed("a");
  CHECK(uses.sequence("a") > uses.sequence("b"));
}

TEST_CASE("a pod's devices come in pool order, then in the order of the pool") {
  const auto pools = two_pools();
  Uses uses;
  PodList pods{{"shop",
                "web",
                {{"sluice.dev/vf", {"0000:08:00.5", "0000:08:00.3"}},
                 {"nvidia.com/gpu", {"GPU-1"}},
                 {"sluice.dev/rdma", {"0000:08:00.2"}}},
                {}},
               {"shop", "other", {{"sluice.dev/vf", {"0000:08:00.4"}}}, {}},
               {"else", "web", {{"sluice.dev/vf", {"0000:08:00.6"}}}, {}}};
  const auto found = devices_of(pods, "shop", "web", kOurs, pools, uses).value();
  REQUIRE(found.size() == 3);
  CHECK(found[0].id == "0000:08:00.2");
  CHECK(found[0].resource == "sluice.dev/rdma");
  CHECK(found[1].id == "0000:08:00.3");
  CHECK(found[2].id == "0000:08:00.5");
}

TEST_CASE("a same-name predecessor's devices are listed too, told apart by the sequence") {
  const auto pools = two_pools();
  ManualClock clock;
  Uses uses;
  uses.granted("sluice.dev/vf", {"0000:08:00.4"}, clock.now());
  uses.granted("sluice.dev/vf", {"0000:08:00.3"}, clock.now());
  PodList pods{pod("web", "sluice.dev/vf", {"0000:08:00.4"}),
               pod("web", "sluice.dev/vf", {"0000:08:00.3"})};
  const auto found = devices_of(pods, "shop", "web", kOurs, pools, uses).value();
  REQUIRE(found.size() == 2);
  CHECK(found[0].id == "0000:08:00.3");
  CHECK(found[0].given > found[1].given);
}

TEST_CASE("a pool that isn't configured any more doesn't take a pod's devices from it") {
  const pools::PoolSet none{config::Config{}};
  const auto found =
      devices_of({pod("web", "sluice.dev/vf", {"a"})}, "shop", "web", kOurs, none, Uses()).value();
  REQUIRE(found.size() == 1);
  CHECK(found[0].id == "a");
}

TEST_CASE("a claim's device that can't be understood is an error, not no device") {
  PodList pods{{"shop", "web", {}, {{"shop", "net", "sluice.dev", "node-a", "???"}}}};
  CHECK_FALSE(devices_of(pods, "shop", "web", kOurs, two_pools(), Uses()));
}

TEST_CASE("claims name their devices; other drivers' are left out") {
  const auto pools = two_pools();
  Uses uses;
  PodList pods{{"shop",
                "web",
                {},
                {{"shop", "net", "sluice.dev", "node-a", "0000-08-00-3"},
                 {"shop", "net", "gpu.example.com", "node-a", "gpu-0"},
                 {"shop", "plain", "sluice.dev", "node-a-ports", "port-7"}}}};
  const auto found = devices_of(pods, "shop", "web", kOurs, pools, uses).value();
  REQUIRE(found.size() == 2);
  CHECK(found[0].id == "0000:08:00.3");
  CHECK(found[0].resource == "sluice.dev/vf");
  CHECK(found[0].claim == "shop/net");
  CHECK(found[1].id.empty());
  CHECK(found[1].claim == "shop/plain");
}

}  // namespace sluice::broker
