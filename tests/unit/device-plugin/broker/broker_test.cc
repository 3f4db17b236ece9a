// SPDX-License-Identifier: Apache-2.0
// The broker between a sysfs tree and a kubelet's pod-resources API, both fakes with state.
#include "device-plugin/broker/broker.h"

#include <doctest/doctest.h>

#include "common/litegrpc/server.h"
#include "common/nic/baseline.h"
#include "common/os/files.h"
#include "device-plugin/kubelet/podresources.pb.h"
#include "tests/support/fake_sysfs/fake_sysfs.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::broker {
namespace {

using std::chrono::seconds;

constexpr const char* kPf = "0000:3b:00.0";
constexpr const char* kVf0 = "0000:3b:00.1";
constexpr const char* kVf1 = "0000:3b:00.2";
constexpr const char* kResource = "sluice.dev/vf";

struct World {
  test::TempDir directory;
  testing::FakeSysfs sysfs{directory / "tree"};
  std::unique_ptr<os::EventLoop> loop = std::move(*os::EventLoop::create());
  SteadyClock clock;
  v1::ListPodResourcesResponse pods;  // what the kubelet says
  std::unique_ptr<litegrpc::Server> kubelet;
  std::unique_ptr<Broker> broker;

  World() {
    sysfs.add_pf(kPf, "vfdrv", "p0");
    sysfs.add_vf(kPf, 0, kVf0, "vfdrv");
    sysfs.add_vf(kPf, 1, kVf1, "vfdrv");
    directory.directory("kubelet/pod-resources");
    litegrpc::Methods methods;
    methods.unary["/v1.PodResourcesLister/List"] = [this](std::string_view, litegrpc::Reply reply) {
      reply(pods.SerializeAsString());
    };
    kubelet = std::move(*litegrpc::Server::listen(
        *loop, directory / "kubelet/pod-resources/kubelet.sock", std::move(methods), Logger()));
  }

  void has(const std::string& pod, const std::string& resource, const std::string& id) {
    auto& entry = *pods.add_pod_resources();
    entry.set_name(pod);
    entry.set_namespace_("shop");
    auto& devices = *entry.add_containers()->add_devices();
    devices.set_resource_name(resource);
    devices.add_device_ids(id);
  }

  // Ready when the kubelet has spoken.
  void start(const std::string& config) {
    broker.reset();
    directory.file("config.json", config);
    Settings settings;
    settings.sysfs_root = sysfs.path();
    settings.dev_root = sysfs.dev_root();
    settings.kubelet_dir = directory / "kubelet";
    settings.config = directory / "config.json";
    settings.devinfo_dir = directory / "devinfo";
    settings.state_dir = directory / "state";
    settings.run_dir = directory / "run";
    broker = std::make_unique<Broker>(*loop, clock, settings, Logger());
    broker->start();
    wait([this] { return broker->uses_known(); });
  }

  template <class Condition>
  void wait(Condition condition) {
    const auto limit = loop->after(seconds(20), [this] { loop->stop(); });
    const auto look = loop->every(std::chrono::milliseconds(1), [&] {
      if (condition()) loop->stop();
    });
    loop->run();
    loop->cancel(look);
    loop->cancel(limit);
    REQUIRE(condition());
  }

  // The answer comes at once, without a turn of the loop.
  bool allocate(const std::string& id, const std::string& resource = kResource) {
    bool given = false;
    broker->allocate(resource, {id},
                     [&](Result<allocate::Grant> grant) { given = grant.has_value(); });
    return given;
  }
};

constexpr const char* kOnePool = R"({"pools":[{"name":"vf"}]})";

}  // namespace

TEST_CASE("one device is given by one front only, before any turn of the loop") {
  World world;
  world.start(kOnePool);
  SUBCASE("to a claim first") {
    REQUIRE(world.broker->take(kVf0, "uid-1", "shop/net"));
    CHECK_FALSE(world.allocate(kVf0));
    CHECK(world.allocate(kVf1));
    CHECK_FALSE(world.broker->take(kVf0, "uid-2", "shop/other"));
    CHECK(world.broker->take(kVf0, "uid-1", "shop/net"));
    world.broker->give_back(kVf0, "uid-2");
    CHECK_FALSE(world.allocate(kVf0));
    world.broker->give_back(kVf0, "uid-1");
    CHECK(world.allocate(kVf0));
  }
  SUBCASE("to a pod first") {
    REQUIRE(world.allocate(kVf0));
    const auto taken = world.broker->take(kVf0, "uid-1", "shop/net");
    REQUIRE_FALSE(taken);
    CHECK(taken.error().code == Code::kPrecondition);
    CHECK(world.broker->take(kVf1, "uid-1", "shop/net"));
  }
}

TEST_CASE("what a pod has stays its own over a restart with another configuration") {
  World world;
  world.has("web", kResource, kVf0);
  SUBCASE("another pool") {
    world.start(R"({"pools":[{"name":"other"}]})");
    CHECK_FALSE(world.allocate(kVf0, "sluice.dev/other"));
    CHECK(world.allocate(kVf1, "sluice.dev/other"));
  }
  SUBCASE("its pool refused, and a pool that takes everything") {
    world.start(R"({"resourceList":[
        {"resourcePrefix":"sluice.dev","resourceName":"vf","selectors":{"driver":["x"]}},
        {"resourcePrefix":"sluice.dev","resourceName":"rest","selectors":{}}]})");
    CHECK_FALSE(world.allocate(kVf0, "sluice.dev/rest"));
    CHECK(world.allocate(kVf1, "sluice.dev/rest"));
  }
  // And whoever asks hears of it.
  std::vector<lookup::PodDevice> found;
  bool answered = false;
  world.broker->devices_of("shop", "web", [&](Result<std::vector<lookup::PodDevice>> devices) {
    answered = true;
    if (devices) found = std::move(*devices);
  });
  world.wait([&] { return answered; });
  REQUIRE(found.size() == 1);
  CHECK(found[0].id == kVf0);
}

TEST_CASE("without a configuration nobody hears \"no devices\"") {
  World world;
  world.has("web", kResource, kVf0);
  world.start("{");
  std::optional<Code> code;
  world.broker->devices_of("shop", "web", [&](Result<std::vector<lookup::PodDevice>> devices) {
    REQUIRE_FALSE(devices);
    code = devices.error().code;
  });
  REQUIRE(code);
  CHECK(*code == Code::kUnavailable);
}

TEST_CASE("a device-info file of a running pod outlives a restart while the kubelet is away") {
  World world;
  world.start(kOnePool);
  REQUIRE(world.allocate(kVf0));
  world.has("web", kResource, kVf0);
  const std::string file = world.directory / ("devinfo/" + devinfo::file_name(kResource, kVf0));
  REQUIRE(std::filesystem::exists(file));
  world.kubelet.reset();
  world.broker.reset();
  // The kubelet doesn't answer: nothing is known, so nothing is removed.
  Settings settings;
  settings.sysfs_root = world.sysfs.path();
  settings.kubelet_dir = world.directory / "kubelet";
  settings.devinfo_dir = world.directory / "devinfo";
  settings.run_dir = world.directory / "run";
  Broker again(*world.loop, world.clock, settings, Logger());
  bool published = false;
  again.on_change([&] { published = true; });
  again.start();
  world.wait([&] { return published; });
  CHECK(std::filesystem::exists(file));
}

TEST_CASE("a baseline isn't lost because a VF can't be read for a moment") {
  World world;
  world.sysfs.add_netdev(kVf0, "v0", "02:00:00:00:00:01", 11);
  world.start(kOnePool);
  const std::string baseline = world.directory / (std::string("run/baselines/") + kVf0 + ".json");
  world.wait([&] { return std::filesystem::exists(baseline); });
  world.sysfs.set(kVf0, "vendor", "junk");
  bool changed = false;
  world.broker->on_change([&] { changed = true; });
  world.sysfs.add_vf(kPf, 2, "0000:3b:00.3", "vfdrv");  // so that it is looked at again
  world.wait([&] { return changed; });
  CHECK_FALSE(world.allocate(kVf0));
  CHECK(std::filesystem::exists(baseline));
}

TEST_CASE("a VF that was made anew between two looks has a baseline of its own") {
  World world;
  world.sysfs.add_netdev(kVf0, "v0", "02:00:00:00:00:01", 11);
  world.start(kOnePool);
  const auto store = nic::BaselineStore::open(world.directory / "run/baselines");
  REQUIRE(store);
  const auto mac = [&] {
    const auto baseline = store->load(*nic::PciAddress::parse(kVf0));
    return baseline && baseline->netdev ? baseline->netdev->mac.to_string() : "";
  };
  world.wait([&] { return mac() == "02:00:00:00:00:01"; });
  // Held, so that its inode number isn't given again.
  const auto old = os::Root::open(world.sysfs.path() + "/bus/pci/devices/" + kVf0);
  REQUIRE(old);
  world.sysfs.remove_vf(kPf, 0, kVf0);
  world.sysfs.add_vf(kPf, 0, kVf0, "vfdrv");
  world.sysfs.add_netdev(kVf0, "v0", "02:00:00:00:00:02", 12);
  world.wait([&] { return mac() == "02:00:00:00:00:02"; });
}

}  // namespace sluice::broker
