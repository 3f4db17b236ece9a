// SPDX-License-Identifier: Apache-2.0
#include "offload/host/next_hops.h"

#include <doctest/doctest.h>

#include "tests/netns/softnic/test_node.h"

using namespace sluice;
using namespace sluice::host;
using namespace sluice::testing;

namespace {

struct Machine {
  TestNode node;
  os::NetNs outside = new_netns(), elsewhere = new_netns();
  std::unique_ptr<os::EventLoop> loop = os::EventLoop::create().value();
  int changes = 0;
  std::unique_ptr<NextHops> hops;

  Machine() {
    node.add_wire("eth0", outside, "wire", "192.0.2.254");
    node.add_wire("eth1", elsewhere, "wire", "198.51.100.254");
    run("ip addr add 192.0.2.1/24 dev eth0");
    run("ip addr add 198.51.100.1/24 dev eth1");
    run("ip route add 203.0.113.0/24 via 192.0.2.254");
    auto made = NextHops::create(
        *loop, "eth0", [this] { ++changes; }, Logger());
    REQUIRE_MESSAGE(made, made.error().to_string());
    hops = std::move(*made);
  }
  std::optional<model::NextHop> hop(const char* address) const {
    for (const auto& hop : hops->next_hops()) {
      if (hop.ip == ip(address)) return hop;
    }
    return std::nullopt;
  }
  std::uint32_t route(const char* destination) const {  // 0: none
    for (const auto& route : hops->routes()) {
      if (route.destination == ip(destination)) return route.next_hop;
    }
    return 0;
  }
  bool await(const std::function<bool()>& condition) { return run_until(*loop, condition); }
  MacAddr wire_mac() { return netlink::Rtnl::open_in(outside)->link("wire")->mac; }
};

}  // namespace

TEST_CASE("next hops are found, asked for, and resolved: on-link and by a gateway") {
  Machine machine;
  machine.hops->want(ip("192.0.2.254"));
  machine.hops->want(ip("203.0.113.7"));
  REQUIRE(machine.await([&] {
    const auto hop = machine.hop("192.0.2.254");
    return hop && hop->resolved;
  }));
  const auto hop = machine.hop("192.0.2.254");
  CHECK(hop->mac == machine.wire_mac());
  CHECK(hop->id != 0);
  CHECK(machine.hops->next_hops().size() == 1);
  CHECK(machine.route("192.0.2.254") == hop->id);
  CHECK(machine.route("203.0.113.7") == hop->id);
  CHECK(machine.await([&] { return machine.changes > 0; }));
}

TEST_CASE("what the kernel sends elsewhere, or keeps, has no next hop") {
  Machine machine;
  for (const char* to : {"198.51.100.9", "192.0.2.1", "127.0.0.1", "8.8.8.8"}) {
    machine.hops->want(ip(to));
    CHECK(machine.route(to) == 0);
  }
  CHECK(machine.hops->next_hops().empty());
}

TEST_CASE("a neighbour that appears later, changes its MAC or fails is followed") {
  Machine machine;
  machine.hops->want(ip("192.0.2.9"));
  const std::uint32_t id = machine.route("192.0.2.9");
  REQUIRE(id != 0);
  CHECK_FALSE(machine.hop("192.0.2.9")->resolved);
  run("ip neigh replace 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0 nud stale");
  REQUIRE(machine.await([&] { return machine.hop("192.0.2.9")->resolved; }));
  CHECK(machine.hop("192.0.2.9")->mac == mac("02:00:00:00:00:09"));
  run("ip neigh replace 192.0.2.9 lladdr 02:00:00:00:00:19 dev eth0 nud permanent");
  REQUIRE(machine.await([&] { return machine.hop("192.0.2.9")->mac == mac("02:00:00:00:00:19"); }));
  run("ip neigh replace 192.0.2.9 dev eth0 nud failed");
  REQUIRE(machine.await([&] { return !machine.hop("192.0.2.9")->resolved; }));
  CHECK(machine.route("192.0.2.9") == id);

  // It comes up: asked for again without anybody's help.
  run_in(machine.outside, "ip addr add 192.0.2.9/24 dev wire");
  REQUIRE(machine.await([&] { return machine.hop("192.0.2.9")->resolved; }));
  CHECK(machine.hop("192.0.2.9")->mac == machine.wire_mac());
}

TEST_CASE("route changes move destinations to other next hops, or away") {
  Machine machine;
  machine.hops->want(ip("203.0.113.7"));
  const std::uint32_t first = machine.route("203.0.113.7");
  REQUIRE(first != 0);
  run("ip route replace 203.0.113.0/24 via 192.0.2.253");
  REQUIRE(machine.await([&] { return machine.hop("192.0.2.253").has_value(); }));
  CHECK(machine.route("203.0.113.7") == machine.hop("192.0.2.253")->id);
  CHECK(machine.route("203.0.113.7") != first);
  CHECK_FALSE(machine.hop("192.0.2.254"));
  run("ip route replace 203.0.113.0/24 via 198.51.100.254");
  REQUIRE(machine.await([&] { return machine.route("203.0.113.7") == 0; }));
  CHECK(machine.hops->next_hops().empty());
  run("ip route del 203.0.113.0/24");
  run("ip route add 203.0.113.0/24 via 192.0.2.254");
  REQUIRE(machine.await([&] { return machine.route("203.0.113.7") != 0; }));
}

TEST_CASE("a flood of new destinations is one change in a while, and none of them is lost") {
  Machine machine;
  machine.hops->want(ip("192.0.2.254"));
  REQUIRE(machine.await([&] { return machine.hop("192.0.2.254")->resolved; }));
  // Nothing of the beginning is left to be told.
  const int start = machine.changes;
  machine.hops->want(ip("203.0.113.254"));
  REQUIRE(machine.await([&] { return machine.changes > start; }));

  const SteadyClock clock;
  const TimePoint began = clock.now();
  const int before = machine.changes;
  std::size_t told = 0;
  std::uint32_t wanted = 0;
  constexpr std::uint32_t kFlood = 2000;
  const auto flood = machine.loop->every(std::chrono::milliseconds(1), [&] {
    for (int i = 0; i < 10 && wanted < kFlood; ++i) {
      machine.hops->want(Ipv4{ip("203.0.113.0").value + wanted++ % 200});
      machine.hops->want(Ipv4{ip("192.0.2.100").value + wanted % 100});
    }
    told = machine.hops->routes().size();
  });
  REQUIRE(machine.await([&] { return wanted == kFlood; }));
  machine.loop->cancel(flood);
  const auto bursts = (clock.now() - began) / std::chrono::milliseconds(50);
  CHECK(machine.changes - before <= bursts + 2);
  CHECK(machine.route("203.0.113.199") != 0);
  CHECK(told > 200);
}

TEST_CASE("an uplink that is made again is found again") {
  Machine machine;
  machine.hops->want(ip("192.0.2.254"));
  REQUIRE(machine.await([&] { return machine.hop("192.0.2.254")->resolved; }));
  run("ip link del eth0");
  REQUIRE(machine.await([&] { return machine.hops->next_hops().empty(); }));
  machine.node.add_wire("eth0", machine.outside, "wire", "192.0.2.254");
  run("ip addr add 192.0.2.1/24 dev eth0");
  REQUIRE(machine.await([&] {
    const auto hop = machine.hop("192.0.2.254");
    return hop && hop->resolved && hop->mac == machine.wire_mac();
  }));
}

TEST_CASE("an uplink that isn't there is an error") {
  TestNode node;
  auto loop = os::EventLoop::create().value();
  const auto made = NextHops::create(*loop, "nope", {}, Logger());
  REQUIRE_FALSE(made);
  CHECK(made.error().code == Code::kNotFound);
}
