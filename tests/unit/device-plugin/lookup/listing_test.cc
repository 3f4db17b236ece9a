// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/lookup/listing.h"

#include <doctest/doctest.h>

#include <string>

#include "common/api/devices.pb.h"
#include "tests/unit/device-plugin/lookup/pools_fixture.h"

namespace sluice::lookup {
namespace {

TEST_CASE("pools and devices: state, reason, holder, NUMA, PF, driver") {
  auto config = config::default_config("sluice.dev");
  config.refused.push_back({"sluice.dev/rdma", "selectors: key 'pfName' is unknown"});
  api::DeviceList list;
  list_pools(testing::three_vf_pools(std::move(config)), list);
  REQUIRE(list.pools_size() == 2);
  const auto& pool = list.pools(0);
  CHECK(pool.resource() == "sluice.dev/vf");
  CHECK(pool.type() == "vf");
  CHECK(pool.policy() == "packed");
  CHECK(pool.offer() == "both");
  CHECK(pool.state() == "active");
  REQUIRE(pool.devices_size() == 3);
  const auto& free = pool.devices(0);
  CHECK(free.id() == "0000:3b:00.2");
  CHECK(free.state() == "free");
  CHECK(free.holder().empty());
  CHECK(free.reason().empty());
  CHECK(free.numa_node() == 1);
  CHECK(free.pf() == "p0");
  CHECK(free.driver() == "mlx5_core");
  const auto& used = pool.devices(1);
  CHECK(used.state() == "used");
  CHECK(used.holder() == "claim shop/net");
  CHECK(used.front() == "dra");
  const auto& unhealthy = pool.devices(2);
  CHECK(unhealthy.state() == "unhealthy");
  CHECK(unhealthy.reason() == "PF p0 has no carrier");
  CHECK(list.pools(1).state() == "refused");
  CHECK(list.pools(1).reason() == "selectors: key 'pfName' is unknown");
}

TEST_CASE("a pool that is no longer configured, and a device that vanished, say so") {
  auto pools = testing::three_vf_pools(config::default_config("sluice.dev"));
  pools::Snapshot snapshot;
  auto inventory = testing::three_vfs();
  inventory->pfs[0].vfs.erase(inventory->pfs[0].vfs.begin() + 1);
  snapshot.inventory = inventory;
  snapshot.uses["0000:3b:00.2"] = {pools::Use::Front::kDevicePlugin, "sluice.dev/vf", "shop/web-0"};
  snapshot.uses["0000:3b:00.3"] = {pools::Use::Front::kDra, "sluice.dev/vf", "claim shop/net"};
  pools.configure({});
  pools.update(std::move(snapshot), TimePoint{});
  api::DeviceList list;
  list_pools(pools, list);
  REQUIRE(list.pools_size() == 1);
  CHECK(list.pools(0).state() == "draining");
  bool leaving = false, vanished = false;
  for (const auto& device : list.pools(0).devices()) {
    if (device.id() == "0000:3b:00.2") {
      leaving = device.state() == "leaving" && device.holder() == "shop/web-0" &&
                device.front() == "device-plugin";
    }
    if (device.id() == "0000:3b:00.3") {
      vanished = device.state() == "vanished" && device.driver().empty() &&
                 device.holder() == "claim shop/net";
    }
  }
  CHECK(leaving);
  CHECK(vanished);
}

TEST_CASE("text from outside is made printable and short") {
  CHECK(printable("a\xff\n\tb") == "a???b");
  CHECK(printable(std::string(5000, 'x')).size() == 1003);
  CHECK(printable("") == "");
}

}  // namespace
}  // namespace sluice::lookup
