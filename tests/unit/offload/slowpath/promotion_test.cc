// SPDX-License-Identifier: Apache-2.0
// Which flows a connection gets, when, and when they go.
#include <doctest/doctest.h>

#include "tests/unit/offload/slowpath/world.h"

namespace sluice::slowpath {
namespace {

using namespace addresses;
using model::Action;

const model::Masked<std::uint16_t> exact(std::uint16_t port) { return {port, 0xffff}; }

TEST_CASE("an established service connection gets exactly two rules") {
  World world;
  world.serve({endpoint(kPodB)});
  const Side pod = World::side_of(kPod1);
  world.tcp(pod, kPod1, 40000, kVip, kServicePort, test::kTcpSynFlag);
  world.tcp(World::side_of(kPodB), kPodB, kTargetPort, kPod1, 40000,
            test::kTcpSynFlag | test::kTcpAckFlag);
  CHECK(world.sink.rules.empty());
  world.tcp(pod, kPod1, 40000, kVip, kServicePort, test::kTcpAckFlag);
  REQUIRE(world.sink.rules.size() == 2);
  CHECK(world.slow.promoted_count() == 1);

  const auto* forward = world.sink.rule_from(kPod1);
  REQUIRE(forward != nullptr);
  CHECK(forward->stage == model::Stage::kConnection);
  CHECK(forward->priority == 10);
  model::Match match;
  match.proto = model::Proto::kTcp;
  match.ip_src = Prefix4{kPod1, 32};
  match.ip_dst = Prefix4{kVip, 32};
  match.l4_src = exact(40000);
  match.l4_dst = exact(kServicePort);
  match.tcp_flags = model::Masked<std::uint8_t>{0, 0x07};
  match.untagged = true;
  match.whole = true;
  match.meta = model::Masked<std::uint32_t>{model::meta::kLocal, model::meta::kOriginMask};
  CHECK((forward->match == match));
  CHECK((forward->actions == std::vector<Action>{model::SetIpDst{kPodB},
                                                 model::SetL4Dst{kTargetPort}, model::Count{},
                                                 model::Jump{model::Stage::kForward}}));
  CHECK(forward->owner == "connection/1");
  CHECK(forward->why.find("shop/web:80") != std::string::npos);

  const auto* reply = world.sink.rule_from(kPodB);
  REQUIRE(reply != nullptr);
  match.ip_src = Prefix4{kPodB, 32};
  match.ip_dst = Prefix4{kPod1, 32};
  match.l4_src = exact(kTargetPort);
  match.l4_dst = exact(40000);
  match.meta = model::Masked<std::uint32_t>{model::meta::kTunnel, model::meta::kOriginMask};
  CHECK((reply->match == match));
  CHECK(
      (reply->actions == std::vector<Action>{model::SetIpSrc{kVip}, model::SetL4Src{kServicePort},
                                             model::Count{}, model::Jump{model::Stage::kForward}}));
}

TEST_CASE("a direction that leaves by the wire says its next hop") {
  World world;
  world.serve({endpoint(kPodB)});
  SUBCASE("masquerade: the requests") {
    world.handshake(World::side_of(kPod1), kPod1, 40000, kOutside, 443);
    const auto* forward = world.sink.rule_from(kPod1);
    REQUIRE(forward != nullptr);
    CHECK(forward->actions.size() == 5);
    CHECK((forward->actions[0] == Action{model::SetIpSrc{kNodeA}}));
    CHECK((forward->actions[2] == Action{model::SetMeta{3, model::meta::kNextHopMask}}));
    const auto* reply = world.sink.rule_from(kOutside);
    REQUIRE(reply != nullptr);
    CHECK(reply->actions.size() == 4);
  }
  SUBCASE("NodePort to a remote pod: requests enter a tunnel like local ones, answers the wire") {
    world.handshake(World::side_of(kOutside), kOutside, 40000, kNodeA, kNodePort);
    const auto* forward = world.sink.rule_from(kOutside);
    REQUIRE(forward != nullptr);
    REQUIRE(forward->actions.size() == 7);
    CHECK((forward->actions[4] ==
           Action{model::SetMeta{model::meta::kLocal, model::meta::kOriginMask}}));
    const auto* reply = world.sink.rule_from(kPodB);
    REQUIRE(reply != nullptr);
    CHECK((reply->actions[4] == Action{model::SetMeta{3, model::meta::kNextHopMask}}));
  }
}

TEST_CASE("a tracked direct connection is only counted") {
  World world;
  world.serve({endpoint(kPodB)});
  world.udp(World::side_of(kPod1), kPod1, 40000, kPodB, kTargetPort);
  CHECK(world.sink.rules.empty());
  world.udp(World::side_of(kPodB), kPodB, kTargetPort, kPod1, 40000);
  REQUIRE(world.sink.rules.size() == 2);
  for (const auto& [handle, rule] : world.sink.rules) {
    CHECK(
        (rule.actions == std::vector<Action>{model::Count{}, model::Jump{model::Stage::kForward}}));
    CHECK_FALSE(rule.match.tcp_flags.has_value());
  }
}

TEST_CASE("both flows or neither, the driver's words kept, and a rest before the next try") {
  World world;
  world.serve({endpoint(kPodB)});
  SUBCASE("the first refused") { world.sink.accept_next = 0; }
  SUBCASE("the second refused") { world.sink.accept_next = 1; }
  world.handshake(World::side_of(kPod1), kPod1, 40000, kVip, kServicePort);
  CHECK(world.sink.rules.empty());
  CHECK(world.counter("promotion_refused") == 1);
  CHECK(world.slow.connections(10).at(0).refusal == "table is full");
  const auto data = [&] {
    return world.tcp(World::side_of(kPod1), kPod1, 40000, kVip, kServicePort, test::kTcpAckFlag)
        .size();
  };
  const int asked = world.sink.asked;
  world.sink.accept_next = -1;
  CHECK(data() == 1);
  CHECK(world.sink.asked == asked);
  world.clock.advance(std::chrono::seconds(2));
  CHECK(data() == 1);
  CHECK(world.sink.rules.size() == 2);
  CHECK(world.slow.connections(10).at(0).refusal.empty());
}

TEST_CASE("demoted by hand: counters stay, and it isn't promoted again") {
  World world;
  world.serve({endpoint(kPodB)});
  world.handshake(World::side_of(kPod1), kPod1, 40000, kVip, kServicePort);
  world.sink.hit(kPod1, 7);
  world.sink.hit(kPodB, 5);
  auto info = world.slow.connections(10).at(0);
  CHECK(info.promoted);
  CHECK(info.original == "10.244.1.10:40000 -> 10.96.0.10:80");
  CHECK(info.translated == "10.244.1.10:40000 -> 10.244.2.10:8080");
  CHECK(info.service == "shop/web:80");
  CHECK(info.state == "established");
  CHECK(info.proto == "tcp");
  CHECK(info.hardware_packets == std::array<std::uint64_t, 2>{7, 5});
  CHECK(info.slow_packets == std::array<std::uint64_t, 2>{2, 1});
  CHECK_FALSE(world.slow.demote(info.id + 1));
  CHECK(world.slow.demote(info.id));
  CHECK(world.sink.rules.empty());
  CHECK(world.tcp(World::side_of(kPod1), kPod1, 40000, kVip, kServicePort, test::kTcpAckFlag)
            .size() == 1);
  info = world.slow.connections(10).at(0);
  CHECK_FALSE(info.promoted);
  CHECK(world.sink.rules.empty());
  CHECK(info.hardware_packets == std::array<std::uint64_t, 2>{7, 5});
  CHECK(info.hardware_bytes == std::array<std::uint64_t, 2>{700, 500});
}

TEST_CASE("flows go when a connection is closed") {
  World world;
  world.serve({endpoint(kPodB)});
  world.handshake(World::side_of(kPod1), kPod1, 40000, kVip, kServicePort);
  const auto client = [&](std::uint8_t flags) {
    return world.tcp(World::side_of(kPod1), kPod1, 40000, kVip, kServicePort, flags).size();
  };
  const auto server = [&](std::uint8_t flags) {
    return world.tcp(World::side_of(kPodB), kPodB, kTargetPort, kPod1, 40000, flags).size();
  };
  SUBCASE("by both FINs") {
    CHECK(client(test::kTcpFinFlag | test::kTcpAckFlag) == 1);
    CHECK(world.sink.rules.size() == 2);
    CHECK(server(test::kTcpFinFlag | test::kTcpAckFlag) == 1);
    CHECK(world.sink.rules.empty());
    CHECK(client(test::kTcpAckFlag) == 1);
    CHECK(world.sink.rules.empty());
  }
  SUBCASE("by a RST, but a forged one costs only a moment in software") {
    CHECK(server(test::kTcpRstFlag) == 1);
    CHECK(world.sink.rules.empty());
    CHECK(client(test::kTcpAckFlag) == 1);
    CHECK(world.sink.rules.size() == 2);
  }
  SUBCASE("and the client's port can be used again") {
    CHECK(server(test::kTcpRstFlag) == 1);
    world.serve({endpoint(kPodC)});
    const auto syn =
        world.tcp(World::side_of(kPod1), kPod1, 40000, kVip, kServicePort, test::kTcpSynFlag);
    REQUIRE(syn.size() == 1);
    CHECK(World::read(syn[0]).packet.dst == kPodC);
  }
}

TEST_CASE("no flows while a next hop is unresolved; new ones when it changes") {
  World world;
  world.serve({endpoint(kPodB)});
  const auto resolved = [&](std::size_t hop, bool yes) {
    world.change([&](model::Intent& i) { i.next_hops[hop].resolved = yes; });
  };
  world.handshake(World::side_of(kPod1), kPod1, 40000, kOutside, 443);
  REQUIRE(world.sink.rules.size() == 2);
  world.change([](model::Intent& i) {
    i.next_hops[2].id = 9;
    i.outer_routes[2].next_hop = 9;
  });
  REQUIRE(world.sink.rules.size() == 2);
  CHECK((world.sink.rule_from(kPod1)->actions[2] ==
         Action{model::SetMeta{9, model::meta::kNextHopMask}}));
  resolved(2, false);
  CHECK(world.sink.rules.empty());
  resolved(2, true);
  world.tcp(World::side_of(kPod1), kPod1, 40000, kOutside, 443, test::kTcpAckFlag);
  CHECK(world.sink.rules.size() == 2);
}

TEST_CASE("no more than max_promoted, and none are left behind by the slow path") {
  Options options;
  options.max_promoted = 1;
  {
    World world(cluster(), options);
    world.serve({endpoint(kPodB)});
    world.handshake(World::side_of(kPod1), kPod1, 40000, kVip, kServicePort);
    world.handshake(World::side_of(kPod1), kPod1, 40001, kVip, kServicePort);
    CHECK(world.slow.promoted_count() == 1);
    world.slow.demote_all();
    CHECK(world.sink.rules.empty());
    CHECK(world.slow.connection_count() == 2);
  }
}

TEST_CASE("a promoted packet that comes back translated goes on as it is") {
  World world;
  world.serve({endpoint(kPodB)});
  world.handshake(World::side_of(kPod1), kPod1, 40000, kVip, kServicePort);
  const auto sent =
      world.tcp(World::side_of(kPod1), kPod1, 40000, kPodB, kTargetPort, test::kTcpAckFlag);
  REQUIRE(sent.size() == 1);
  CHECK(World::read(sent[0]).how == "tunnel 192.168.0.2");
  CHECK(World::read(sent[0]).packet.src_port == 40000);
  CHECK(world.slow.connection_count() == 1);
}

TEST_CASE("ICMP is never promoted") {
  World world;
  const Side pod = World::side_of(kPod1);
  for (std::uint16_t n = 0; n < 5; ++n) {
    world.give(pod, test::echo_frame({pod.mac, kGatewayMac}, {kPod1, kOutside}, true, 7, n));
  }
  CHECK(world.slow.connection_count() == 1);
  CHECK(world.sink.asked == 0);
}

}  // namespace
}  // namespace sluice::slowpath
