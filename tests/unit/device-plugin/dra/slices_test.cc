// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/slices.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "common/base/clock.h"
#include "tests/unit/device-plugin/dra/world.h"

namespace sluice::dra {
namespace {

using test::Hardware;

std::set<std::string> names_of(const std::vector<SliceDevice>& devices) {
  std::set<std::string> out;
  for (const auto& device : devices) REQUIRE(out.insert(device.name).second);
  return out;
}

// What the API server keeps, and what a reader (the scheduler) makes of it.
struct Server {
  std::map<std::string, StoredSlice> slices;
  std::uint64_t version = 0;

  std::vector<StoredSlice> all() const {
    std::vector<StoredSlice> out;
    for (const auto& [name, slice] : slices) out.push_back(slice);
    return out;
  }

  // The devices of a pool, if it is whole: the rule of ResourcePool's documentation.
  std::optional<std::set<std::string>> whole(const std::string& pool) const {
    std::int64_t newest = 0;
    for (const auto& [name, s] : slices) {
      if (s.slice.pool == pool) newest = std::max(newest, s.slice.generation);
    }
    std::vector<SliceDevice> devices;
    std::int64_t count = 0, said = 0;
    std::set<std::int64_t> counts;
    for (const auto& [name, s] : slices) {
      if (s.slice.pool != pool || s.slice.generation != newest) continue;
      ++count;
      said = s.slice.count;
      counts.insert(said);
      devices.insert(devices.end(), s.slice.devices.begin(), s.slice.devices.end());
    }
    if (count != said || counts.size() > 1) return std::nullopt;
    return names_of(devices);
  }

  // Applies a plan write by write; after each, a whole pool must be as before or as wanted.
  void apply(const Plan& plan, const std::vector<PoolContent>& wanted) {
    std::map<std::string, std::optional<std::set<std::string>>> before;
    for (const auto& pool : wanted) before[pool.pool] = whole(pool.pool);
    const auto check = [&] {
      for (const auto& pool : wanted) {
        const auto now = whole(pool.pool);
        if (now && !now->empty())
          CHECK((now == before[pool.pool] || now == names_of(pool.devices)));
      }
    };
    for (const auto& update : plan.updates) {
      auto& stored = slices.at(update.slice.name);
      REQUIRE(stored.resource_version == update.resource_version);
      stored = {update.slice, stored.uid, std::to_string(++version)};
      check();
    }
    for (const auto& slice : plan.creates) {
      REQUIRE(!slices.contains(slice.name));
      slices[slice.name] = {slice, "u" + slice.name, std::to_string(++version)};
      check();
    }
    for (const auto& removal : plan.removals) {
      REQUIRE(slices.erase(removal.name) == 1);
      check();
    }
  }
};

std::vector<PoolContent> pools_of(const std::vector<Offered>& offered, std::uint32_t ports = 3) {
  return contents_of(offered, "n1", ports).pools;
}

Plan converge(Server& server, const std::vector<PoolContent>& wanted) {
  const auto steps = plan(wanted, "n1", "node-uid", server.all());
  server.apply(steps, wanted);
  CHECK(plan(wanted, "n1", "node-uid", server.all()).writes() == 0);
  return steps;
}

}  // namespace

TEST_CASE("slices: nothing changed, nothing written; one slice changed, one write") {
  Hardware hardware;
  auto offered = test::vfs(hardware, 8);
  Server server;
  CHECK(converge(server, pools_of(offered)).creates.size() == 2);  // VFs and ports
  CHECK(server.slices.at("n1-sluice.dev-0").slice.generation == 1);
  CHECK(server.slices.at("n1-sluice.dev-ports-0").slice.pool == "n1-ports");

  offered[3].unhealthy = "no carrier";
  auto steps = converge(server, pools_of(offered));
  CHECK(steps.writes() == 1);
  REQUIRE(steps.updates.size() == 1);
  CHECK(steps.updates[0].slice.devices.size() == 7);
  CHECK(steps.updates[0].slice.generation == 1);  // one write is whole by itself
  offered[3].unhealthy.reset();
  offered[4].taken = true;
  CHECK(converge(server, pools_of(offered)).updates.size() == 1);
}

TEST_CASE("slices: 128 devices each, in the order of their names, each device once") {
  Hardware hardware;
  auto offered = test::vfs(hardware, 300);
  offered.push_back(offered[5]);  // twice in what is offered
  Server server;
  converge(server, pools_of(offered, 130));
  std::vector<std::size_t> sizes;
  std::set<std::string> names;
  for (const auto& [name, s] : server.slices) {
    sizes.push_back(s.slice.devices.size());
    CHECK(s.slice.count == (s.slice.pool == "n1" ? 3 : 2));
    CHECK(s.slice.node_uid == "node-uid");
    for (const auto& device : s.slice.devices) CHECK(names.insert(device.name).second);
  }
  CHECK(sizes == std::vector<std::size_t>{128, 128, 44, 128, 2});
  CHECK(names.size() == 430);
}

TEST_CASE("slices: whatever order changes come in, the end is the same, and never half a pool") {
  Hardware hardware;
  const auto all = test::vfs(hardware, 290);
  SeededRng rng(42);
  Server server;
  std::vector<bool> in(all.size(), false);
  for (int round = 0; round < 20; ++round) {
    for (auto n = rng.next() % 80; n > 0; --n) in[rng.next() % in.size()].flip();
    if (round % 5 == 4) std::fill(in.begin(), in.end(), round % 10 == 4);
    std::vector<Offered> offered;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (in[i]) offered.push_back(all[i]);
    }
    auto shuffled = offered;
    for (std::size_t i = shuffled.size(); i > 1; --i) {
      std::swap(shuffled[i - 1], shuffled[rng.next() % i]);
    }
    CHECK(pools_of(offered) == pools_of(shuffled));
    converge(server, pools_of(shuffled));
    // A server that begins with nothing has the same devices in the same slices.
    Server fresh;
    converge(fresh, pools_of(offered));
    REQUIRE(fresh.slices.size() == server.slices.size());
    for (const auto& [name, s] : fresh.slices) {
      CHECK(s.slice.devices == server.slices.at(name).slice.devices);
    }
  }
}

TEST_CASE("slices: what stopped half way is finished") {
  Hardware hardware;
  Server server;
  converge(server, pools_of(test::vfs(hardware, 200)));
  const auto wanted = pools_of(test::vfs(hardware, 290));
  for (std::size_t done = 0; done < 3; ++done) {
    CAPTURE(done);
    Server copy = server;
    auto steps = plan(wanted, "n1", "node-uid", copy.all());
    CHECK(steps.writes() == 3);
    std::size_t left = done;
    for (const auto& update : steps.updates) {
      if (left-- == 0) break;
      copy.slices.at(update.slice.name).slice = update.slice;
    }
    converge(copy, wanted);
    CHECK(copy.whole("n1")->size() == 290);
  }
}

TEST_CASE("slices: others' and old ones go, ours that were wiped come back") {
  Hardware hardware;
  const auto wanted = pools_of(test::vfs(hardware, 130), 0);
  Server server;
  converge(server, wanted);
  server.slices["old-name"] = {Slice{"old-name", "n1", "node-uid", "n1", 1, 2, {}}, "u", "1"};
  const auto steps = converge(server, wanted);
  CHECK(steps.writes() == 1);
  REQUIRE(steps.removals.size() == 1);
  CHECK(steps.removals[0].uid == "u");

  server.slices.erase("n1-sluice.dev-1");
  const auto again = converge(server, wanted);
  CHECK(again.creates.size() == 1);  // the other one is as it should be: one write
  CHECK(again.updates.empty());
  CHECK(plan({}, "n1", "node-uid", server.all()).removals.size() == 2);
}

TEST_CASE("slices: a node that was made anew is another owner") {
  Hardware hardware;
  const auto wanted = pools_of(test::vfs(hardware, 4));
  Server server;
  converge(server, wanted);
  CHECK(plan(wanted, "n1", "another-uid", server.all()).updates.size() == 2);
}

TEST_CASE("slices: hostile generations don't overflow") {
  Hardware hardware;
  const auto wanted = pools_of(test::vfs(hardware, 200), 0);
  Server server;
  converge(server, wanted);
  for (auto& [name, s] : server.slices) {
    s.slice.generation = std::numeric_limits<std::int64_t>::max();
    s.slice.count = 9;
  }
  const auto steps = plan(wanted, "n1", "node-uid", server.all());
  REQUIRE(steps.updates.size() == 2);
  CHECK(steps.updates[0].slice.generation == 1);
}

TEST_CASE("attributes: what a VF says, and only what stays while a pod has it") {
  Hardware hardware;
  auto offered = hardware.vf("0000:08:00.1", 3);
  offered.rail = 2;
  const auto before = attributes_of(offered);
  const auto text = [&](const char* name) { return std::get<std::string>(before.at(name)); };
  const auto number = [&](const char* name) { return std::get<std::int64_t>(before.at(name)); };
  CHECK(text("kind") == "vf");
  CHECK(text("pool") == "vf");
  CHECK(text("vendor") == "15b3");
  CHECK(text("device") == "101e");
  CHECK(text("driver") == "mlx5_core");
  CHECK(text("pciAddress") == "0000:08:00.1");
  CHECK(text("pfName") == "p0");
  CHECK(text("pfPciAddress") == "0000:07:00.0");
  CHECK(text("pcieSwitch") == "0000:05:00.0");
  CHECK(text("linkType") == "ether");
  CHECK(text("resource.kubernetes.io/pcieRoot") == "pci0000:00");
  CHECK(text("k8s.cni.cncf.io/deviceID") == "0000:08:00.1");
  CHECK(text("k8s.cni.cncf.io/resourceName") == "sluice.dev/vf");
  CHECK(number("vfIndex") == 3);
  CHECK(number("rail") == 2);
  CHECK(number("numaNode") == 1);
  CHECK(number("resource.kubernetes.io/numaNode") == 1);
  CHECK(number("linkSpeedMbps") == 100000);
  CHECK(std::get<bool>(before.at("rdma")) == false);
  CHECK(before.size() <= kMaxAttributes);

  // Its own netdev comes and goes with the pod.
  nic::Vf with_netdev = *static_cast<const nic::Vf*>(offered.candidate.function);
  with_netdev.netdev.emplace();
  with_netdev.netdev->speed_mbps = 1;
  with_netdev.netdev->type = 32;
  offered.candidate.function = &with_netdev;
  CHECK(attributes_of(offered) == before);
}

TEST_CASE("attributes: what is too long, empty or no text is left out, not cut") {
  Hardware hardware;
  auto offered = hardware.vf("0000:08:00.1");
  offered.resource = "x/" + std::string(63, 'a');
  hardware.pf().netdev->name = "p\xff";
  nic::Vf odd = *static_cast<const nic::Vf*>(offered.candidate.function);
  odd.driver = "";
  odd.numa_node = -1;
  odd.pcie_path.resize(1);
  offered.candidate.function = &odd;
  const auto attributes = attributes_of(offered);
  for (const char* name : {"k8s.cni.cncf.io/resourceName", "pfName", "driver", "numaNode",
                           "resource.kubernetes.io/numaNode", "pcieSwitch"}) {
    CAPTURE(name);
    CHECK(!attributes.contains(name));
  }
  const auto sf = attributes_of(hardware.sf("mlx5_core.sf.4", 9));
  CHECK(std::get<std::string>(sf.at("kind")) == "sf");
  CHECK(std::get<std::int64_t>(sf.at("sfNumber")) == 9);
  CHECK(!sf.contains("pciAddress"));
}

TEST_CASE("slices: what only a claim still has is in none") {
  Hardware hardware;
  auto offered = test::vfs(hardware, 3);
  offered[1].only_held = true;
  const auto devices = contents_of(offered, "n1", 0).pools[0].devices;
  REQUIRE(devices.size() == 2);
  CHECK(devices[0].name == "0000-08-00-0");
  CHECK(devices[1].name == "0000-08-00-2");
}

TEST_CASE("slices: a device that no name can be made of is told, not published") {
  Hardware hardware;
  auto offered = test::vfs(hardware, 1);
  offered[0].candidate.id = std::string(200, 'X');
  const auto contents = contents_of(offered, "n1", 0);
  CHECK(contents.pools[0].devices.empty());
  CHECK(contents.nameless.size() == 1);
}

}  // namespace sluice::dra
