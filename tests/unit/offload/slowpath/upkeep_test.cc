// SPDX-License-Identifier: Apache-2.0
// What time and a new Intent do to connections.
#include <doctest/doctest.h>

#include "tests/unit/offload/slowpath/world.h"

namespace sluice::slowpath {
namespace {

using namespace addresses;
using std::chrono::seconds;

TEST_CASE("connections expire by their state") {
  World world;
  world.serve({endpoint(kPodB)});
  const auto alive_after = [&](seconds time) {
    world.clock.advance(time);
    world.slow.tick();
    return world.slow.connection_count() == 1;
  };
  SUBCASE("UDP without an answer") {
    world.udp(World::side_of(kPod1), kPod1, 1, kVip, kServicePort);
    CHECK(alive_after(seconds(29)));
    CHECK_FALSE(alive_after(seconds(1)));
  }
  SUBCASE("UDP with an answer") {
    world.udp(World::side_of(kPod1), kPod1, 1, kVip, kServicePort);
    world.udp(World::side_of(kPodB), kPodB, kTargetPort, kPod1, 1);
    CHECK(alive_after(seconds(179)));
    CHECK_FALSE(alive_after(seconds(1)));
    CHECK(world.sink.rules.empty());
  }
  SUBCASE("a SYN") {
    world.tcp(World::side_of(kPod1), kPod1, 1, kVip, kServicePort, test::kTcpSynFlag);
    CHECK(alive_after(seconds(59)));
    CHECK_FALSE(alive_after(seconds(1)));
  }
  SUBCASE("established TCP") {
    world.handshake(World::side_of(kPod1), kPod1, 1, kVip, kServicePort);
    CHECK(alive_after(seconds(86399)));
    CHECK_FALSE(alive_after(seconds(1)));
  }
  SUBCASE("established TCP from outside to a pod: only one end of it is seen") {
    const Side pod = World::side_of(kPod1);
    world.tcp(pod, kPod1, 80, kOutside, 1, test::kTcpSynFlag | test::kTcpAckFlag);
    world.tcp(pod, kPod1, 80, kOutside, 1, test::kTcpAckFlag);
    CHECK(alive_after(seconds(124 * 60 - 1)));
    CHECK_FALSE(alive_after(seconds(1)));
  }
  SUBCASE("one FIN") {
    world.handshake(World::side_of(kPod1), kPod1, 1, kVip, kServicePort);
    world.tcp(World::side_of(kPod1), kPod1, 1, kVip, kServicePort,
              test::kTcpFinFlag | test::kTcpAckFlag);
    CHECK(alive_after(seconds(119)));
    CHECK_FALSE(alive_after(seconds(1)));
  }
  SUBCASE("a RST") {
    world.handshake(World::side_of(kPod1), kPod1, 1, kVip, kServicePort);
    world.tcp(World::side_of(kPod1), kPod1, 1, kVip, kServicePort, test::kTcpRstFlag);
    CHECK(alive_after(seconds(9)));
    CHECK_FALSE(alive_after(seconds(1)));
  }
  SUBCASE("an echo") {
    const Side pod = World::side_of(kPod1);
    world.give(pod, test::echo_frame({pod.mac, kGatewayMac}, {kPod1, kOutside}, true, 7));
    CHECK(alive_after(seconds(29)));
    CHECK_FALSE(alive_after(seconds(1)));
  }
}

TEST_CASE("packets in hardware keep a connection") {
  World world;
  world.serve({endpoint(kPodB)});
  world.udp(World::side_of(kPod1), kPod1, 1, kVip, kServicePort);
  world.udp(World::side_of(kPodB), kPodB, kTargetPort, kPod1, 1);
  REQUIRE(world.slow.promoted_count() == 1);
  for (int i = 0; i < 5; ++i) {
    world.sink.hit(kPodB, 3);
    world.clock.advance(seconds(170));
    world.slow.tick();
    CHECK(world.slow.connections(1).at(0).idle_ms == 0);
  }
  CHECK(world.slow.promoted_count() == 1);
  world.clock.advance(seconds(180));
  world.slow.tick();
  CHECK(world.slow.connection_count() == 0);
  CHECK(world.sink.rules.empty());
}

TEST_CASE("packets in hardware keep a connection whose flows are taken out") {
  World world;
  world.serve({endpoint(kPodB)});
  world.udp(World::side_of(kPod1), kPod1, 1, kVip, kServicePort);
  world.udp(World::side_of(kPodB), kPodB, kTargetPort, kPod1, 1);
  world.clock.advance(seconds(170));
  world.sink.hit(kPodB, 1);
  world.change([](model::Intent& i) { i.next_hops[0].resolved = false; });
  REQUIRE(world.slow.promoted_count() == 0);
  world.clock.advance(seconds(179));
  world.slow.tick();
  CHECK(world.slow.connection_count() == 1);
  world.clock.advance(seconds(1));
  world.slow.tick();
  CHECK(world.slow.connection_count() == 0);
}

TEST_CASE("an idle connection gives its flows back and stays") {
  World world;
  world.serve({endpoint(kPodB)});
  world.handshake(World::side_of(kPod1), kPod1, 1, kVip, kServicePort);
  world.clock.advance(seconds(300));
  world.slow.tick();
  CHECK(world.sink.rules.empty());
  CHECK(world.slow.connection_count() == 1);
  world.tcp(World::side_of(kPod1), kPod1, 1, kVip, kServicePort, test::kTcpAckFlag);
  CHECK(world.slow.promoted_count() == 1);
}

TEST_CASE("UDP leaves an endpoint that no longer serves, TCP stays") {
  World world;
  world.serve({endpoint(kPodB)});
  const Side pod = World::side_of(kPod1);
  const auto udp_goes_to = [&]() -> Ipv4 {
    const auto sent = world.udp(pod, kPod1, 1, kVip, kServicePort);
    return sent.empty() ? Ipv4{} : World::read(sent[0]).packet.dst;
  };
  CHECK(udp_goes_to() == kPodB);
  CHECK(udp_goes_to() == kPodB);
  world.handshake(pod, kPod1, 2, kVip, kServicePort);
  REQUIRE(world.sink.rules.size() == 4);

  SUBCASE("another endpoint") {
    world.serve({endpoint(kPodC)});
    CHECK(udp_goes_to() == kPodC);
  }
  SUBCASE("it terminates, but serves") {
    auto leaving = endpoint(kPodB);
    leaving.ready = false;
    leaving.terminating = true;
    world.serve({leaving, endpoint(kPodC)});
    CHECK(udp_goes_to() == kPodB);
    return;
  }
  SUBCASE("no endpoint at all") { world.serve({}); }
  SUBCASE("no service any more") {
    world.change([](model::Intent& i) { i.services.clear(); });
  }
  CHECK(world.counter("connections_dropped") == 1);
  const auto data = world.tcp(pod, kPod1, 2, kVip, kServicePort, test::kTcpAckFlag);
  REQUIRE(data.size() == 1);
  CHECK(World::read(data[0]).packet.dst == kPodB);
  CHECK(world.sink.rule_from(kPodB) != nullptr);
}

// What the NIC's connection stage does with a packet that no connection's own flow takes.
std::vector<model::Rule> guards(const World& world) {
  std::vector<model::Rule> found;
  for (const auto& [handle, rule] : world.sink.rules) {
    if (rule.priority == 10) continue;
    CHECK(rule.stage == model::Stage::kConnection);
    CHECK(rule.priority == 20);
    CHECK((rule.actions == std::vector<model::Action>{model::Count{}, model::Punt{}}));
    CHECK_FALSE(rule.match.tcp_flags.has_value());
    CHECK_FALSE(rule.match.whole);
    found.push_back(rule);
  }
  return found;
}

TEST_CASE("TCP whose endpoint is in no service any more is trapped by rules of its own") {
  World world;
  world.serve({endpoint(kPodB)});
  const Side pod = World::side_of(kPod1), server = World::side_of(kPodB);
  world.handshake(pod, kPod1, 2, kVip, kServicePort);
  world.tcp(pod, kPod1, 3, kVip, kServicePort, test::kTcpSynFlag);
  REQUIRE(world.sink.rules.size() == 2);
  SUBCASE("another endpoint") { world.serve({endpoint(kPodC)}); }
  SUBCASE("the service is deleted") {
    world.change([](model::Intent& i) { i.services.clear(); });
  }
  auto traps = guards(world);
  REQUIRE(traps.size() == 2);  // also for the handshake that is under way
  CHECK(world.sink.rules.size() == 4);
  for (const auto& rule : traps) {
    CHECK(rule.match.ip_src == Prefix4{kPodB, 32});
    CHECK(rule.match.ip_dst == Prefix4{kPod1, 32});
    CHECK((rule.match.l4_src == model::Masked<std::uint16_t>{kTargetPort, 0xffff}));
    CHECK((rule.match.meta ==
           model::Masked<std::uint32_t>{model::meta::kTunnel, model::meta::kOriginMask}));
  }
  // The end that they bring in is translated.
  const auto fin =
      world.tcp(server, kPodB, kTargetPort, kPod1, 2, test::kTcpFinFlag | test::kTcpAckFlag);
  REQUIRE(fin.size() == 1);
  CHECK(World::read(fin[0]).packet.src == kVip);
  CHECK(
      world.tcp(pod, kPod1, 2, kVip, kServicePort, test::kTcpFinFlag | test::kTcpAckFlag).size() ==
      1);
  CHECK(world.sink.rules.size() == 2);
  world.clock.advance(seconds(60));
  world.slow.tick();
  CHECK(world.slow.connection_count() == 0);
  CHECK(world.sink.rules.empty());
}

TEST_CASE("guards go when the endpoint is back, in whatever service") {
  World world;
  world.serve({endpoint(kPodB)});
  world.handshake(World::side_of(kPod1), kPod1, 2, kVip, kServicePort);
  world.serve({});
  CHECK(guards(world).size() == 1);
  world.serve({});
  CHECK(guards(world).size() == 1);
  const int asked = world.sink.asked;
  world.change(
      [](model::Intent& i) { i.services[0].external_policy = model::TrafficPolicy::kLocal; });
  CHECK(world.sink.asked == asked);
  world.change([](model::Intent& i) {
    auto other = web({endpoint(kPodB)});
    other.name = "shop/web2";
    other.cluster_ip = test::ip("10.96.0.11");
    i.services.push_back(other);
  });
  CHECK(guards(world).empty());
  CHECK(world.slow.promoted_count() == 1);
}

TEST_CASE("a connection that the NIC refuses to guard is over, both ends are told") {
  World world;
  world.serve({endpoint(kPodB)});
  const Side pod = World::side_of(kPod1);
  world.handshake(pod, kPod1, 2, kVip, kServicePort);
  world.sink.accept_next = 0;
  world.serve({endpoint(kPodC)});
  CHECK(world.counter("connections_dropped") == 1);
  CHECK(world.sink.rules.empty());
  const auto reset = world.tcp(pod, kPod1, 2, kVip, kServicePort, test::kTcpAckFlag);
  REQUIRE(reset.size() == 1);
  CHECK(World::read(reset[0]).how == "vf0");
  CHECK(World::read(reset[0]).packet.tcp_flags == test::kTcpRstFlag);
}

TEST_CASE("a connection to a NodePort that is gone") {
  World world;
  world.serve({endpoint(kPod2)});
  const auto no_node_port = [&] {
    world.change([](model::Intent& i) {
      for (auto& port : i.services[0].ports) port.node_port = 0;
    });
  };
  SUBCASE("from a pod: its requests would go to the node") {
    world.handshake(World::side_of(kPod1), kPod1, 2, kNodeA, kNodePort);
    no_node_port();
    const auto traps = guards(world);
    REQUIRE(traps.size() == 1);
    CHECK(traps[0].match.ip_dst == Prefix4{kNodeA, 32});
    CHECK((traps[0].match.meta ==
           model::Masked<std::uint32_t>{model::meta::kLocal, model::meta::kOriginMask}));
    CHECK(world.slow.promoted_count() == 1);
  }
  SUBCASE("from the wire: its requests don't get in any more") {
    world.handshake(World::side_of(kOutside), kOutside, 2, kNodeA, kNodePort);
    no_node_port();
    CHECK(world.slow.connection_count() == 0);
    const auto reset =
        world.tcp(World::side_of(kPod2), kPod2, kTargetPort, kOutside, 2, test::kTcpAckFlag);
    REQUIRE(reset.size() == 1);
    CHECK(World::read(reset[0]).how == "vf1");
    CHECK(World::read(reset[0]).packet.tcp_flags == test::kTcpRstFlag);
  }
}

TEST_CASE("a direct connection under another port keeps both directions") {
  World world;
  world.serve({endpoint(kPodB)});
  const Side pod = World::side_of(kPod1);
  world.handshake(pod, kPod1, 2, kVip, kServicePort);
  world.handshake(pod, kPod1, 2, kPodB, kTargetPort);
  world.handshake(pod, kPod1, 3, kPodB, kTargetPort);  // under its own
  world.serve({});
  CHECK(guards(world).size() == 3);
}

TEST_CASE("no guard outlives the slow path") {
  FakeFlowSink sink;
  {
    World world;
    world.serve({endpoint(kPodB)});
    world.handshake(World::side_of(kPod1), kPod1, 2, kVip, kServicePort);
    ManualClock clock;
    SeededRng rng(1);
    RecordingPort port;
    SlowPath slow({}, port, sink, clock, rng, Logger());
    REQUIRE(slow.set_intent(std::make_shared<const model::Intent>(world.intent)).has_value());
    auto frame = test::tcp_frame({World::side_of(kPod1).mac, kGatewayMac}, {kPod1, kVip}, 2,
                                 kServicePort, test::kTcpSynFlag);
    slow.receive(model::PortId::vf(0), model::meta::kLocal, frame);
    world.intent.services.clear();
    REQUIRE(slow.set_intent(std::make_shared<const model::Intent>(world.intent)).has_value());
    CHECK(sink.rules.size() == 1);
  }
  CHECK(sink.rules.empty());
}

TEST_CASE("UDP that was masqueraded before its service was known finds the service") {
  World world;
  world.change([](model::Intent& i) { i.outer_routes.push_back({kVip, 3}); });
  const Side pod = World::side_of(kPod1);
  CHECK(World::read(world.udp(pod, kPod1, 1, kVip, kServicePort).at(0)).how == "wire");
  world.serve({endpoint(kPodB)});
  CHECK(World::read(world.udp(pod, kPod1, 1, kVip, kServicePort).at(0)).packet.dst == kPodB);
}

TEST_CASE("a SYN knocks at another endpoint when the first one has gone") {
  World world;
  world.serve({endpoint(kPodB)});
  const auto knock = [&] {
    return World::read(
               world.tcp(World::side_of(kPod1), kPod1, 1, kVip, kServicePort, test::kTcpSynFlag)
                   .at(0))
        .packet.dst;
  };
  CHECK(knock() == kPodB);
  CHECK(knock() == kPodB);
  world.serve({endpoint(kPodC)});
  CHECK(knock() == kPodC);
  CHECK(world.slow.connection_count() == 1);
}

TEST_CASE("connections of a detached pod are removed, also when its address is given away") {
  World world;
  world.serve({endpoint(kPod2)});
  world.handshake(World::side_of(kPod1), kPod1, 1, kVip, kServicePort);
  world.handshake(World::side_of(kPod3), kPod3, 1, kVip, kServicePort);
  REQUIRE(world.slow.connection_count() == 2);
  SUBCASE("the client") {
    world.change([](model::Intent& i) { i.attachments.erase(i.attachments.begin()); });
    CHECK(world.slow.connection_count() == 1);
    CHECK(world.sink.rules.size() == 2);
  }
  SUBCASE("the endpoint") {
    world.change([](model::Intent& i) { i.attachments.erase(i.attachments.begin() + 1); });
    CHECK(world.slow.connection_count() == 0);
  }
  SUBCASE("a successor with the client's address") {
    world.change([](model::Intent& i) { i.attachments[0].id = "c9/eth0"; });
    CHECK(world.slow.connection_count() == 1);
  }
}

TEST_CASE("an Intent without its own node is refused and the one before stays") {
  World world;
  auto broken = std::make_shared<model::Intent>(cluster());
  broken->self = "nobody";
  CHECK_FALSE(world.slow.set_intent(broken).has_value());
  CHECK_FALSE(world.slow.set_intent(nullptr).has_value());
  CHECK(world.udp(World::side_of(kPod1), kPod1, 1, kPod2, 2).size() == 1);
}

TEST_CASE("expiry goes round in portions") {
  Options options;
  options.expire_per_tick = 4;
  World world(cluster(), options);
  for (std::uint16_t n = 1; n <= 10; ++n) world.udp(World::side_of(kPod1), kPod1, n, kOutside, 53);
  world.clock.advance(seconds(60));
  world.slow.tick();
  CHECK(world.slow.connection_count() == 6);
  world.slow.tick();
  world.slow.tick();
  CHECK(world.slow.connection_count() == 0);
}

}  // namespace
}  // namespace sluice::slowpath
