// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/engine.h"

#include <doctest/doctest.h>

#include "tests/unit/offload/engine/world.h"

namespace sluice::engine {
namespace {

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
  CHECK(world.run_until([&] { return world.network.last.nodes.size() == 2; }));
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
  CHECK(world.run_until([&] { return world.network.last.uplink_mac == mac; }));
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
