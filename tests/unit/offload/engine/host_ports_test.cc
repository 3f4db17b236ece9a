// SPDX-License-Identifier: Apache-2.0
// Who may have which port of the node, and what an engine does with it.
#include "offload/engine/host_ports.h"

#include <doctest/doctest.h>

#include "tests/unit/offload/engine/world.h"

namespace sluice::engine {
namespace {

using model::HostPort;
using model::Proto;

const Ipv4 kAll{};
Ipv4 own() { return *Ipv4::parse("172.30.0.11"); }
Ipv4 node0() { return *Ipv4::parse("10.244.1.1"); }
Ipv4 loopback() { return *Ipv4::parse("127.0.0.1"); }

std::vector<model::Service> services() {
  model::Service web;
  web.name = "shop/web";
  web.cluster_ip = *Ipv4::parse("10.96.0.10");
  web.ports = {{"http", Proto::kTcp, 80, 30080, {}}};
  return {web};
}

AttachSpec with(AttachSpec spec, std::vector<HostPort> ports) {
  spec.host_ports = std::move(ports);
  return spec;
}

bool has(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

TEST_CASE("two attachments may not have one port at overlapping addresses") {
  struct Row {
    HostPort first, second;
    bool collide;
  };
  const Row rows[] = {
      {{Proto::kTcp, 8080, 80, kAll}, {Proto::kTcp, 8080, 81, kAll}, true},
      {{Proto::kTcp, 8080, 80, kAll}, {Proto::kTcp, 8080, 80, own()}, true},
      {{Proto::kTcp, 8080, 80, loopback()}, {Proto::kTcp, 8080, 80, kAll}, true},
      {{Proto::kTcp, 8080, 80, own()}, {Proto::kTcp, 8080, 80, own()}, true},
      {{Proto::kTcp, 8080, 80, own()}, {Proto::kTcp, 8080, 80, loopback()}, false},
      {{Proto::kTcp, 8080, 80, node0()}, {Proto::kTcp, 8080, 80, own()}, false},
      {{Proto::kTcp, 8080, 80, kAll}, {Proto::kUdp, 8080, 80, kAll}, false},
      {{Proto::kTcp, 8080, 80, kAll}, {Proto::kTcp, 8081, 80, kAll}, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.first.to_string());
    CAPTURE(row.second.to_string());
    World world;
    world.engine->on_manifest(World::nodes(), {});
    REQUIRE(world.attach(with(World::vf_pod(), {row.first})));
    const auto before = world.backend.rules.size();
    const auto second = world.attach(with(World::veth_pod(), {row.second}));
    CHECK(second.has_value() != row.collide);
    if (!row.collide) continue;
    CHECK(second.error().code == Code::kExists);
    CHECK(has(second.error().message, row.second.to_string()));
    CHECK(has(second.error().message, "shop/web-0 (c1/eth0)"));
    // Nothing is half done, and what went wrong is right when the port is free.
    CHECK(world.backend.rules.size() == before);
    CHECK(world.network.ports.empty());
    CHECK(world.status().attachments == 1);
    REQUIRE(world.detach("c1/eth0"));
    CHECK(world.attach(with(World::veth_pod(), {row.second})));
  }
}

TEST_CASE("a NodePort has its port at the node's own address and at 127.0.0.1") {
  struct Row {
    HostPort port;
    bool collide;
  };
  const Row rows[] = {
      {{Proto::kTcp, 30080, 80, kAll}, true},       {{Proto::kTcp, 30080, 80, own()}, true},
      {{Proto::kTcp, 30080, 80, loopback()}, true}, {{Proto::kTcp, 30080, 80, node0()}, false},
      {{Proto::kUdp, 30080, 80, kAll}, false},      {{Proto::kTcp, 80, 80, kAll}, false}};
  for (const auto& row : rows) {
    CAPTURE(row.port.to_string());
    World world;
    world.engine->on_manifest(World::nodes(), services());
    const auto port = world.attach(with(World::vf_pod(), {row.port}));
    CHECK(port.has_value() != row.collide);
    if (port) continue;
    CHECK(port.error().code == Code::kExists);
    CHECK(has(port.error().message, "service shop/web:80"));
  }
}

TEST_CASE("ports that can be nobody's") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  const std::pair<std::vector<HostPort>, const char*> rows[] = {
      {{{Proto::kTcp, 0xf000, 80, kAll}}, "masquerade block 61440-65535"},
      {{{Proto::kUdp, 0xffff, 80, own()}}, "masquerade block"},
      {{{Proto::kUdp, 4789, 80, kAll}}, "overlay"},
      {{{Proto::kTcp, 80, 80, *Ipv4::parse("192.0.2.1")}}, "172.30.0.11, 10.244.1.1, 127.0.0.1"},
      {{{Proto::kTcp, 80, 80, *Ipv4::parse("172.30.0.12")}}, "172.30.0.12:80"},
      {{{Proto::kTcp, 80, 80, kAll}, {Proto::kTcp, 80, 81, own()}}, "of the same pod"},
  };
  for (const auto& [ports, words] : rows) {
    CAPTURE(words);
    const auto port = world.attach(with(World::vf_pod(), ports));
    REQUIRE_FALSE(port);
    CHECK(port.error().code == Code::kInvalid);
    CHECK(has(port.error().message, words));
  }
  CHECK(world.status().attachments == 0);
}

TEST_CASE("a NodePort that comes later does not get the port, and the pod keeps it") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  const auto pod = with(World::vf_pod(), {{Proto::kTcp, 30080, 8080, kAll}});
  REQUIRE(world.attach(pod));
  world.engine->on_manifest(World::nodes(), services());
  CHECK(world.status().services == 1);
  CHECK(world.attach(pod));  // the same again
  const auto taken = node_ports_taken(World::nodes()[0], {world.engine->attachments(), services()});
  REQUIRE(taken.size() == 1);
  CHECK(has(taken[0], "shop/web:80"));
  CHECK(has(taken[0], "shop/web-0 (c1/eth0)"));
}

TEST_CASE("the Intent of the kernel side has the ports while the pod is there") {
  World world;
  world.engine->on_manifest(World::nodes(), {});
  const std::vector<HostPort> ports = {{Proto::kTcp, 8080, 80, kAll}};
  REQUIRE(world.attach(with(World::vf_pod(), ports)));
  REQUIRE(world.network.last.attachments.size() == 1);
  CHECK(world.network.last.attachments[0].host_ports == ports);
  // A new engine over the same file.
  CHECK(Attachments::load(world.directory / "attachments")->all()[0].host_ports == ports);
  REQUIRE(world.detach("c1/eth0"));
  CHECK(world.network.last.attachments.empty());
}

}  // namespace
}  // namespace sluice::engine
