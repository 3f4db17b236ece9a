// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/engine.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "common/os/files.h"
#include "tests/unit/offload/engine/fakes.h"

namespace sluice::engine {
namespace {

// A whole engine on a real loop and a real slow-path thread; the NIC, the kernel and time are
// fakes.
struct World {
  World() {
    std::string pattern = "/tmp/sluice-test-XXXXXX";
    directory = ::mkdtemp(pattern.data());
    loop = std::move(*os::EventLoop::create());
    slow = std::make_unique<slowpath::SlowPath>(slowpath::Options{}, packets, backend, clock, rng,
                                                Logger());
    thread = std::move(*SlowPathThread::create(packets, *slow, [](const Error&) {}));
    REQUIRE(thread->start());
    NodeSettings settings;
    settings.node = "node-a";
    settings.gateway_ip = *Ipv4::parse("169.254.1.1");
    settings.gateway_mac = *MacAddr::parse("0e:53:4c:00:00:01");
    settings.node0_mac = *MacAddr::parse("0e:53:4c:00:00:02");
    settings.uplink_mac = *MacAddr::parse("02:00:00:00:00:01");
    settings.vni = 7;
    settings.masquerade = {0xf000, 0xffff};
    engine = std::make_unique<Engine>(
        settings, Engine::Parts{*loop, clock, backend, *thread, network, hops, devices},
        *Attachments::load(directory + "/attachments"), Logger());
  }
  ~World() {
    thread->stop();
    (void)os::remove_tree(directory);
  }

  static std::vector<model::Node> nodes() {
    return {{"node-a", *Ipv4::parse("172.30.0.11"), *Prefix4::parse("10.244.1.0/24")},
            {"node-b", *Ipv4::parse("172.30.0.12"), *Prefix4::parse("10.244.2.0/24")}};
  }
  static AttachSpec vf_pod() {
    return {"c1/eth0",
            "shop/web-0",
            "eth0",
            *MacAddr::parse("0a:58:0a:f4:01:02"),
            *Ipv4::parse("10.244.1.2"),
            "0000:00:01.0",
            ""};
  }
  static AttachSpec veth_pod() {
    return {"c2/eth0",
            "shop/web-2",
            "eth0",
            *MacAddr::parse("0a:58:0a:f4:01:03"),
            *Ipv4::parse("10.244.1.3"),
            "",
            "sl0123456789a"};
  }

  // Runs the loop until `call` has been answered.
  template <class T>
  Result<T> answer(const std::function<void(Engine::Answer<T>)>& call) {
    std::optional<Result<T>> got;
    loop->post([&] {
      call([&](Result<T> result) {
        got = std::move(result);
        loop->stop();
      });
    });
    const auto watchdog = loop->after(std::chrono::seconds(20), [&] { loop->stop(); });
    loop->run();
    loop->cancel(watchdog);
    REQUIRE(got.has_value());
    return std::move(*got);
  }
  Result<model::PortId> attach(const AttachSpec& spec) {
    return answer<model::PortId>([&](auto done) { engine->attach(spec, done); });
  }
  Result<bool> detach(const std::string& id) {
    return answer<bool>([&](auto done) { engine->detach(id, done); });
  }
  EngineStatus status() {
    return *answer<EngineStatus>([&](auto done) { engine->status(done); });
  }

  std::string directory;
  ManualClock clock;
  SeededRng rng{1};
  FakeBackend backend;
  FakeNetwork network;
  FakeNextHops hops;
  FakeDevices devices;
  QuietPackets packets;
  std::unique_ptr<os::EventLoop> loop;
  std::unique_ptr<slowpath::SlowPath> slow;
  std::unique_ptr<SlowPathThread> thread;
  std::unique_ptr<Engine> engine;
};

TEST_CASE("nothing is attached before a manifest names this node") {
  World world;
  const auto port = world.attach(World::vf_pod());
  REQUIRE(!port);
  CHECK(port.error().code == Code::kUnavailable);
  CHECK(port.error().retry == Retry::kLater);
}

TEST_CASE("ADD answers when the rules are in place, DEL takes them away") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  CHECK(world.hops.kept == std::set<Ipv4>{*Ipv4::parse("172.30.0.12")});
  const auto before = world.backend.rules.size();

  const auto port = world.attach(World::vf_pod());
  REQUIRE(port);
  CHECK(*port == model::PortId::vf(0));
  CHECK(world.backend.rules_of("attachment/c1/eth0") > 0);
  CHECK(world.attach(World::vf_pod()));  // the same again
  CHECK(world.status().attachments == 1);

  CHECK(*world.detach("c1/eth0") == true);
  CHECK(*world.detach("c1/eth0") == false);
  CHECK(world.backend.rules.size() == before);
}

TEST_CASE("a veth is plugged in, and unplugged when the pod goes") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  REQUIRE(*world.attach(World::veth_pod()) == model::PortId::host());
  CHECK(world.network.ports == std::set<std::string>{"sl0123456789a"});
  REQUIRE(world.detach("c2/eth0"));
  CHECK(world.network.ports.empty());
}

TEST_CASE("a port that can't be plugged in leaves nothing behind") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  const auto before = world.backend.rules.size();
  world.network.refuse_ports = true;
  CHECK(world.attach(World::veth_pod()).error().code == Code::kPermission);
  CHECK(world.status().attachments == 0);
  CHECK(world.backend.rules.size() == before);
  world.network.refuse_ports = false;
  CHECK(world.attach(World::veth_pod()));
}

TEST_CASE("a kernel that refuses for a while is no bad manifest: it is tried again") {
  World world;
  world.network.failures = 1;
  world.engine->on_manifest(World::nodes(), {});
  CHECK(world.status().manifest_error.empty());
  CHECK(world.network.last.nodes.empty());
  world.loop->every(std::chrono::milliseconds(20), [&] {
    if (!world.network.last.nodes.empty()) world.loop->stop();
  });
  const auto watchdog = world.loop->after(std::chrono::seconds(20), [&] { world.loop->stop(); });
  world.loop->run();
  world.loop->cancel(watchdog);
  CHECK(world.network.last.nodes.size() == 2);
}

TEST_CASE("a retried ADD that fails leaves what the first one made") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  REQUIRE(world.attach(World::veth_pod()));
  world.network.refuse_ports = true;
  CHECK_FALSE(world.attach(World::veth_pod()));
  CHECK(world.status().attachments == 1);
  CHECK(world.backend.rules_of("attachment/c2/eth0") > 0);
}

TEST_CASE("DEL while the kernel refuses takes the rules out of the NIC all the same") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  const auto before = world.backend.rules.size();
  REQUIRE(world.attach(World::vf_pod()));
  world.network.failures = 1;
  CHECK_FALSE(world.detach("c1/eth0"));
  CHECK(world.backend.rules.size() == before);
  CHECK(*world.detach("c1/eth0") == false);
}

TEST_CASE("a pod can't have the node's own MACs") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  auto thief = World::veth_pod();
  thief.mac = *MacAddr::parse("0e:53:4c:00:00:02");
  CHECK(world.attach(thief).error().message.find("the node's own") != std::string::npos);
}

TEST_CASE("an uplink with another MAC: claims follow") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  const auto mac = *MacAddr::parse("02:00:00:00:00:99");
  world.engine->on_uplink_changed(mac, 9000);
  world.loop->every(std::chrono::milliseconds(20), [&] {
    if (world.network.last.uplink_mac == mac) world.loop->stop();
  });
  const auto watchdog = world.loop->after(std::chrono::seconds(20), [&] { world.loop->stop(); });
  world.loop->run();
  world.loop->cancel(watchdog);
  CHECK(world.network.last.uplink_mac == mac);
  CHECK(world.engine->settings().uplink_mtu == 9000);
}

TEST_CASE("a bad manifest changes nothing and is shown until a good one comes") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  const auto rules = world.backend.rules.size();
  auto others = World::nodes();
  others.erase(others.begin());
  world.engine->on_manifest(others, {});
  CHECK(world.status().manifest_error.find("node-a") != std::string::npos);
  CHECK(world.status().nodes == 2);
  CHECK(world.backend.rules.size() == rules);
  world.engine->on_manifest_error(
      Error{Code::kInvalid, Domain::kConfig, 0, "line 3 is odd", {}, Retry::kNever});
  CHECK(world.status().manifest_error == "line 3 is odd");
  world.engine->on_manifest(World::nodes(), {});
  CHECK(world.status().manifest_error.empty());
}

TEST_CASE("a refused rule is counted and forgotten with its object") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  world.backend.refuse_owner = "attachment/";
  REQUIRE(world.attach(World::vf_pod()));
  CHECK(world.status().refused > 0);
  REQUIRE(world.detach("c1/eth0"));
  CHECK(world.status().refused == 0);
}

TEST_CASE("a backend that is gone stops the engine instead of pretending") {
  World world;
  world.backend.gone = true;
  world.loop->post([&] { world.engine->on_manifest(World::nodes(), {}); });
  world.loop->run();  // stopped by the engine itself
  CHECK(world.engine->backend_gone());
}

TEST_CASE("exactly one of VF and veth") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  auto both = World::vf_pod();
  both.veth = "sl1";
  CHECK(world.attach(both).error().code == Code::kInvalid);
  auto unknown = World::vf_pod();
  unknown.pci_address = "0000:00:09.0";
  CHECK(world.attach(unknown).error().code == Code::kNotFound);
}

}  // namespace
}  // namespace sluice::engine
