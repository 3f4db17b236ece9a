// SPDX-License-Identifier: Apache-2.0
// Engine::check: whether an attachment is as the CNI plugin believes it to be.
#include <doctest/doctest.h>

#include "tests/unit/offload/engine/world.h"

namespace sluice::engine {
namespace {

TEST_CASE("an attachment that is as it should be has a port and no problem") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  auto pod = World::vf_pod();
  pod.host_ports = {{model::Proto::kTcp, 8080, 80, {}}};
  CHECK(world.engine->check(pod).problem == "unknown");
  CHECK(world.engine->check(pod).port.empty());
  REQUIRE(world.attach(pod));
  CHECK(world.engine->check(pod).problem == "");
  CHECK(world.engine->check(pod).port == "vf0");
}

TEST_CASE("what differs is said, with both values") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  REQUIRE(world.attach(World::vf_pod()));
  auto pod = World::vf_pod();
  pod.mac = *MacAddr::parse("0a:58:0a:f4:01:99");
  CHECK(world.engine->check(pod).problem ==
        "MAC differs: the engine has 0a:58:0a:f4:01:02, not 0a:58:0a:f4:01:99");
  pod = World::vf_pod();
  pod.ip = *Ipv4::parse("10.244.1.9");
  CHECK(world.engine->check(pod).problem.starts_with("IP differs"));
  pod = World::vf_pod();
  pod.pci_address = "0000:00:01.1";
  CHECK(world.engine->check(pod).problem.starts_with("device differs"));
  pod = World::vf_pod();
  pod.host_ports = {{model::Proto::kUdp, 53, 5353, *Ipv4::parse("127.0.0.1")}};
  CHECK(world.engine->check(pod).problem ==
        "port mappings differ: the engine has none, not udp 127.0.0.1:53 -> 5353");
  CHECK(world.engine->check(pod).port == "vf0");
}

TEST_CASE("a port that is down and rules that the NIC refuses are problems") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  REQUIRE(world.attach(World::vf_pod()));
  world.devices.states[model::PortId::vf(0)] = "down";
  CHECK(world.engine->check(World::vf_pod()).problem == "port is down");
  world.devices.states.erase(model::PortId::vf(0));
  CHECK(world.engine->check(World::vf_pod()).problem == "port is gone");

  world.backend.refuse_owner = "attachment/c2";
  REQUIRE(world.attach(World::veth_pod()));
  const auto problem = world.engine->check(World::veth_pod()).problem;
  CHECK(problem.starts_with("its rules are refused: table full ("));
  CHECK(problem.find(" more") != std::string::npos);
}

TEST_CASE("a kernel side that lags behind is a problem") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  REQUIRE(world.attach(World::vf_pod()));
  world.network.failures = 1;
  CHECK_FALSE(world.attach(World::veth_pod()));
  CHECK(world.engine->check(World::vf_pod()).problem.find("not up to date") != std::string::npos);
}

}  // namespace
}  // namespace sluice::engine
