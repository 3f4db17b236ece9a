// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "device-plugin/pools/pool_set.h"
#include "tests/unit/device-plugin/pools/inventories.h"

namespace sluice::pools {
namespace {

constexpr auto kMinute = std::chrono::minutes(1);

// A node over time: change its members, then update().
struct Node {
  explicit Node(const std::string& config) : set(parse(config)) {}

  static config::Config parse(const std::string& text) {
    return text.empty() ? config::default_config("sluice.dev") : config::parse_config(text).value();
  }
  void configure(const std::string& text) { set.configure(parse(text)); }
  bool update() {
    now += kMinute;
    return set.update({std::make_shared<nic::Inventory>(nics), reserved, unhealthy, uses}, now);
  }
  void use(const std::string& id, const std::string& resource,
           const std::string& holder = "shop/a") {
    uses[id] = {Use::Front::kDevicePlugin, resource, holder};
  }
  void claim(const std::string& id) { uses[id] = {Use::Front::kDra, "", "claim shop/net"}; }

  // "0000:3b:00.2 0000:3b:00.3!reason": all of a pool; "-" without such a pool.
  std::string list(const std::string& resource) const {
    const Pool* pool = set.find(resource);
    if (pool == nullptr) return "-";
    std::string out;
    for (const auto& device : pool->devices()) {
      out += (out.empty() ? "" : " ") + device.id;
      CHECK(device.healthy == device.reason.empty());
      if (!device.healthy) out += "!" + device.reason;
    }
    return out;
  }

  nic::Inventory nics;
  Reserved reserved;
  std::map<std::string, std::string> unhealthy;
  std::map<std::string, Use> uses;
  TimePoint now{std::chrono::hours(1)};
  PoolSet set;
};

Node with_vfs(std::size_t vfs, const std::string& config = "") {
  Node node(config);
  node.nics.pfs = {make_pf("p0", 0x3b, vfs)};
  return node;
}

const char* const kTwoPools = R"({"pools":[{"name":"a","selectors":{"pfNames":["p0#0-1"]}},
                                           {"name":"b"}]})";

const std::string k0 = "0000:3b:00.2";
const std::string k1 = "0000:3b:00.3";
const std::string k2 = "0000:3b:00.4";

TEST_CASE("the default pool has every VF in index order, and a pool without devices is a pool") {
  auto node = with_vfs(3);
  CHECK(node.set.find("sluice.dev/vf") == nullptr);
  CHECK(node.update());
  CHECK(node.list("sluice.dev/vf") == k0 + " " + k1 + " " + k2);
  const auto devices = node.set.pools()[0].devices();
  CHECK(devices[0] == Device{k0, true, "", 1});
  CHECK(node.set.pool_of(k2) == &node.set.pools()[0]);
  CHECK(node.set.pool_of("0000:3b:00.0") == nullptr);

  auto empty = with_vfs(0);
  CHECK(empty.update());
  CHECK(empty.list("sluice.dev/vf").empty());
}

TEST_CASE("the same again is no change; health, topology and members are one") {
  auto node = with_vfs(2);
  CHECK(node.update());
  CHECK_FALSE(node.update());
  node.unhealthy[k1] = "PF p0 has no carrier";
  CHECK(node.update());
  CHECK(node.list("sluice.dev/vf") == k0 + " " + k1 + "!PF p0 has no carrier");
  CHECK_FALSE(node.update());
  node.unhealthy.clear();
  CHECK(node.update());
  node.nics.pfs[0].vfs[0].numa_node = 0;
  CHECK(node.update());
  CHECK(node.set.pools()[0].devices()[0].numa_node == 0);
  CHECK(node.set.pools()[0].devices()[1].numa_node == 1);
  node.use(k0, "sluice.dev/vf");
  CHECK_FALSE(node.update());
  CHECK(node.set.pools()[0].members[0].use->holder == "shop/a");
  node.configure(R"({"pools":[{"name":"vf","topology":false}]})");
  CHECK(node.update());
  CHECK_FALSE(node.set.pools()[0].devices()[0].numa_node);
}

TEST_CASE("members point into the snapshot that update() was given") {
  auto node = with_vfs(2);
  node.update();
  node.nics = {};
  node.nics.pfs = {make_pf("p0", 0x3b, 1)};
  node.nics.pfs[0].vfs[0].driver = "vfio-pci";
  node.update();
  const auto& member = node.set.pools()[0].members[0];
  REQUIRE(member.candidate);
  CHECK(member.candidate->driver() == "vfio-pci");
  CHECK(member.candidate->pf->netdev->name == "p0");
  CHECK_FALSE(node.set.pools()[0].members[1].candidate);
}

TEST_CASE("a free device moves at once, one that is used when it is free") {
  auto node = with_vfs(3, kTwoPools);
  node.update();
  CHECK(node.list("sluice.dev/a") == k0 + " " + k1);
  CHECK(node.list("sluice.dev/b") == k2);
  node.use(k0, "sluice.dev/a");
  node.configure(R"({"pools":[{"name":"a","selectors":{"pfNames":["p0#2"]}},{"name":"b"}]})");
  CHECK_FALSE(node.set.find("sluice.dev/a")->members[0].leaving);
  CHECK(node.update());
  CHECK(node.list("sluice.dev/a") == k0 + "!leaves the pool when shop/a ends " + k2);
  CHECK(node.set.find("sluice.dev/a")->members[0].leaving);
  CHECK(node.list("sluice.dev/b") == k1);
  node.uses.clear();
  CHECK(node.update());
  CHECK(node.list("sluice.dev/a") == k2);
  CHECK(node.list("sluice.dev/b") == k0 + " " + k1);
}

TEST_CASE("a pool that is gone from the configuration drains") {
  auto node = with_vfs(3, kTwoPools);
  node.update();
  node.use(k1, "sluice.dev/a");
  node.configure(R"({"pools":[{"name":"b"}]})");
  CHECK(node.update());
  REQUIRE(node.set.find("sluice.dev/a") != nullptr);
  CHECK(node.set.find("sluice.dev/a")->draining);
  CHECK(node.set.find("sluice.dev/a")->config.selectors[0].pf_names.size() == 1);
  CHECK(node.list("sluice.dev/a") == k1 + "!leaves the pool when shop/a ends");
  CHECK(node.list("sluice.dev/b") == k0 + " " + k2);

  SUBCASE("and goes with its last device") {
    node.uses.clear();
    CHECK(node.update());
    CHECK(node.list("sluice.dev/a") == "-");
    CHECK(node.list("sluice.dev/b") == k0 + " " + k1 + " " + k2);
  }
  SUBCASE("or comes back") {
    node.configure(kTwoPools);
    CHECK(node.update());
    CHECK_FALSE(node.set.find("sluice.dev/a")->draining);
    CHECK(node.list("sluice.dev/a") == k0 + " " + k1);
  }
  SUBCASE("also while its device has vanished") {
    node.nics.pfs[0].vfs.erase(node.nics.pfs[0].vfs.begin() + 1);
    node.update();
    CHECK(node.list("sluice.dev/a") == k1 + "!gone from the node");
    node.uses.clear();
    node.update();
    CHECK(node.list("sluice.dev/a") == "-");
  }
}

TEST_CASE("a device that vanished stays for a while, and while somebody has it") {
  auto node = with_vfs(2);
  node.update();
  const auto vf1 = node.nics.pfs[0].vfs[1];
  node.nics.pfs[0].vfs.pop_back();
  CHECK(node.update());
  CHECK(node.list("sluice.dev/vf") == k0 + " " + k1 + "!gone from the node");

  SUBCASE("free: five minutes") {
    for (int i = 0; i < 4; ++i) CHECK_FALSE(node.update());
    CHECK(node.update());
    CHECK(node.list("sluice.dev/vf") == k0);
  }
  SUBCASE("used: five minutes more, counted from the end of the use") {
    node.use(k1, "sluice.dev/vf");
    for (int i = 0; i < 20; ++i) CHECK_FALSE(node.update());
    node.uses.clear();
    for (int i = 0; i < 4; ++i) CHECK_FALSE(node.update());
    CHECK(node.update());
    CHECK(node.list("sluice.dev/vf") == k0);
  }
  SUBCASE("it comes back, and its time starts anew the next time") {
    for (int i = 0; i < 3; ++i) node.update();
    node.nics.pfs[0].vfs.push_back(vf1);
    CHECK(node.update());
    CHECK(node.list("sluice.dev/vf") == k0 + " " + k1);
    node.nics.pfs[0].vfs.pop_back();
    node.update();
    for (int i = 0; i < 4; ++i) CHECK_FALSE(node.update());
    CHECK(node.update());
  }
  SUBCASE("one that can't be read says so") {
    node.nics.broken.push_back({k1, "vendor holds 'x'"});
    CHECK(node.update());
    CHECK(node.list("sluice.dev/vf") == k0 + " " + k1 + "!can't be read: vendor holds 'x'");
  }
}

TEST_CASE("a member that lost its driver stays, unhealthy; a new one without is not taken") {
  auto node =
      with_vfs(2, R"({"pools":[{"name":"rdma","selectors":{"isRdma":true,"drivers":["mlx5_core"],
                                        "linkTypes":["ether"]}},{"name":"rest"}]})");
  for (auto& vf : node.nics.pfs[0].vfs) vf.rdma = {rdma_device("mlx5_1")};
  node.update();
  auto& vf = node.nics.pfs[0].vfs[0];
  vf.driver.clear();
  vf.netdev.reset();
  vf.rdma.clear();
  CHECK(node.update());
  CHECK(node.list("sluice.dev/rdma") == k0 + "!no driver is bound " + k1);
  CHECK(node.list("sluice.dev/rest").empty());

  SUBCASE("another driver is another device") {
    vf.driver = "vfio-pci";
    node.update();
    CHECK(node.list("sluice.dev/rdma") == k1);
    CHECK(node.list("sluice.dev/rest") == k0);
  }
  SUBCASE("a configuration that no longer wants it drops it, and nobody takes it") {
    node.configure(
        R"({"pools":[{"name":"rdma","selectors":{"pfNames":["p0#1"]}},{"name":"rest"}]})");
    node.update();
    CHECK(node.list("sluice.dev/rdma") == k1);
    CHECK(node.list("sluice.dev/rest").empty());
  }
  SUBCASE("a function that comes without driver") {
    auto fresh = make_pf("p1", 0x5e, 1, "");
    node.nics.pfs.push_back(fresh);
    CHECK_FALSE(node.update());
  }
}

TEST_CASE("an RDMA device in a pod takes its RDMA device along, and is still the pool's") {
  const std::string pools =
      R"({"pools":[{"name":"rdma","selectors":{"isRdma":true}},{"name":"rest"}]})";
  auto node = with_vfs(2, pools);
  node.nics.pfs[0].vfs[0].rdma = {rdma_device("mlx5_1")};
  node.update();
  node.use(k0, "sluice.dev/rdma");
  node.nics.pfs[0].vfs[0].rdma.clear();
  node.nics.pfs[0].vfs[0].netdev.reset();
  CHECK_FALSE(node.update());
  CHECK_FALSE(node.set.find("sluice.dev/rdma")->members[0].leaving);
  CHECK(node.list("sluice.dev/rdma") == k0);
  CHECK(node.list("sluice.dev/rest") == k1);

  // After a restart, too: the kubelet says whose it is.
  Node restarted(pools);
  restarted.nics = node.nics;
  restarted.uses = node.uses;
  restarted.update();
  CHECK(restarted.list("sluice.dev/rdma") == k0);
  CHECK(restarted.list("sluice.dev/rest") == k1);
}

TEST_CASE("after a restart a used device is where it was given from, not where it would go") {
  auto node = with_vfs(2, kTwoPools);
  node.use(k0, "sluice.dev/b");
  node.update();
  CHECK(node.list("sluice.dev/a") == k1);
  CHECK(node.list("sluice.dev/b") == k0 + "!leaves the pool when shop/a ends");
}

TEST_CASE("what somebody else gave out can't be had") {
  auto node = with_vfs(2, kTwoPools);
  node.use(k0, "intel.com/sriov");
  node.update();
  CHECK(node.list("sluice.dev/a") == k0 + "!held by shop/a as intel.com/sriov " + k1);
  CHECK(node.list("intel.com/sriov") == "-");
  node.uses.clear();
  CHECK(node.update());
  CHECK(node.list("sluice.dev/a") == k0 + " " + k1);
}

TEST_CASE("a device that a claim has is unavailable here, and says whose it is") {
  auto node = with_vfs(3, kTwoPools);
  node.update();
  node.claim(k0);
  CHECK(node.update());
  CHECK(node.list("sluice.dev/a") == k0 + "!held by claim shop/net " + k1);
  CHECK_FALSE(node.set.find("sluice.dev/a")->members[0].leaving);
  node.configure(R"({"pools":[{"name":"b"}]})");
  node.update();
  CHECK(node.list("sluice.dev/a") == k0 + "!held by claim shop/net");
  CHECK(node.set.find("sluice.dev/a")->members[0].leaving);
  CHECK(node.list("sluice.dev/b") == k1 + " " + k2);
}

TEST_CASE("the node's own function leaves at once when free, and drains when not") {
  auto node = with_vfs(2);
  node.update();
  node.reserved["p0v0"] = "the default route";
  CHECK(node.update());
  CHECK(node.list("sluice.dev/vf") == k1);
  node.reserved = {{k1, "host port"}};
  node.use(k1, "sluice.dev/vf");
  CHECK(node.update());
  CHECK(node.list("sluice.dev/vf") == k0 + " " + k1 + "!leaves the pool when shop/a ends");
}

TEST_CASE("a device of which only the kubelet knows is listed while it is used") {
  auto node = with_vfs(1);
  node.use("0000:77:00.1", "sluice.dev/vf");
  node.use("GPU-1", "nvidia.com/gpu");
  node.update();
  CHECK(node.list("sluice.dev/vf") == k0 + " 0000:77:00.1!gone from the node");
}

TEST_CASE("no inventory at all: members vanish, nothing crashes") {
  auto node = with_vfs(1);
  node.update();
  CHECK(node.set.update({nullptr, {}, {}, {}}, node.now));
  CHECK(node.list("sluice.dev/vf") == k0 + "!gone from the node");
}

}  // namespace
}  // namespace sluice::pools
