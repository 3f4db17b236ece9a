// SPDX-License-Identifier: Apache-2.0
// Plain forwarding, waiting for next hops, fragments.
#include <doctest/doctest.h>

#include "tests/unit/offload/slowpath/world.h"

namespace sluice::slowpath {
namespace {

using namespace addresses;

TEST_CASE("what is no connection's goes where it is addressed") {
  World world;
  struct Row {
    Ipv4 from, to;
    const char* how;
  };
  for (const Row& row :
       {Row{kPod1, kPod2, "vf1"}, Row{kPod1, kPod3, "host"}, Row{kPod1, kNodeA, "host"},
        Row{kPod1, kNode0, "host"}, Row{kPod1, kPodB, "tunnel 192.168.0.2"},
        Row{kPod1, kNodeC, "tunnel 192.168.0.3"}, Row{kPodB, kPod1, "vf0"},
        Row{kPodB, kNodeA, "host"}, Row{kOutside, kPod1, "vf0"}}) {
    CAPTURE(row.to.to_string());
    const auto sent = world.udp(World::side_of(row.from), row.from, 1, row.to, 2);
    REQUIRE(sent.size() == 1);
    const Delivered got = World::read(sent[0]);
    CHECK(got.how == row.how);
    CHECK(got.packet.checksums_ok());
    CHECK(got.packet.src == row.from);
    CHECK(got.packet.dst == row.to);
    CHECK(got.packet.ttl == 63);
    CHECK(got.packet.eth_src == kGatewayMac);
    if (sent[0].port != model::PortId::uplink())
      CHECK(got.packet.eth_dst == World::side_of(row.to).mac);
  }
  CHECK(world.slow.connection_count() == 0);
}

TEST_CASE("nobody from outside is carried through") {
  World world;
  CHECK(world.udp(World::side_of(kPodB), kPodB, 1, kPodC, 2).empty());
  CHECK(world.udp(World::side_of(kPodB), kPodB, 1, kOutside, 2).empty());
  CHECK(world.udp(World::side_of(kOutside), kOutside, 1, kPodB, 2).empty());
  CHECK(world.udp(World::side_of(kOutside), kOutside, 1, kNodeA, 2).empty());
  CHECK(world.udp(World::side_of(kOutside), kOutside, 1, kOutside2, 2).empty());
}

TEST_CASE("packets wait for their next hop, in order, asked for once") {
  World world;
  const auto hop = [&](bool resolved) {
    world.port.sent.clear();
    world.change([&](model::Intent& i) { i.next_hops[0].resolved = resolved; });
    return world.port.sent;
  };
  hop(false);
  for (std::uint16_t n = 1; n <= 3; ++n) {
    CHECK(world.udp(World::side_of(kPod1), kPod1, n, kPodB, 2).empty());
  }
  CHECK(world.wanted == std::vector<Ipv4>{kNodeB});
  const auto sent = hop(true);
  REQUIRE(sent.size() == 3);
  for (std::uint16_t n = 1; n <= 3; ++n) {
    CHECK(World::read(sent[n - 1]).packet.src_port == n);
    CHECK(World::read(sent[n - 1]).packet.ttl == 63);
  }
  CHECK(hop(true).empty());
}

TEST_CASE("what waits is bounded, and not for ever") {
  World world;
  world.change([](model::Intent& i) { i.outer_routes.clear(); });
  for (int n = 1; n <= 40; ++n) world.udp(World::side_of(kPod1), kPod1, 9, kPodB, 2);
  CHECK(world.counter("waiting_next_hop") == 32);
  CHECK(world.counter("next_hop_dropped") == 8);
  for (std::uint32_t n = 0; n < 300; ++n) {
    world.udp(World::side_of(kPod1), kPod1, 9, Ipv4{kOutside.value + 100 + n}, 2);
  }
  CHECK(world.counter("waiting_next_hop") == 256);
  world.clock.advance(std::chrono::seconds(3));
  world.slow.tick();
  CHECK(world.counter("next_hop_dropped") == 340);
  world.wanted.clear();
  world.udp(World::side_of(kPod1), kPod1, 9, kPodB, 2);
  CHECK(world.wanted == std::vector<Ipv4>{kNodeB});
}

TEST_CASE("a masqueraded first packet waits too, and leaves translated") {
  World world;
  world.change([](model::Intent& i) { i.next_hops[2].resolved = false; });
  CHECK(world.udp(World::side_of(kPod1), kPod1, 9, kOutside, 53).empty());
  CHECK(world.wanted == std::vector<Ipv4>{kOutside});
  world.port.sent.clear();
  world.change([](model::Intent& i) { i.next_hops[2].resolved = true; });
  REQUIRE(world.port.sent.size() == 1);
  CHECK(World::read(world.port.sent[0]).packet.src == kNodeA);
}

TEST_CASE("a datagram bigger than the MTU passes through a service, both ways") {
  World world;
  world.serve({endpoint(kPod2)});
  const std::string big(3000, 'y');
  const Side pod = World::side_of(kPod1), server = World::side_of(kPod2);
  const auto through = [&](const Side& from, const test::Frame& whole) {
    std::vector<test::Frame> parts;
    for (const auto& part : test::fragments_of(whole, 1400)) {
      const auto sent = world.give(from, part);
      REQUIRE(sent.size() == 1);
      parts.push_back(sent[0].frame);
    }
    REQUIRE(parts.size() == 3);
    return *test::view(test::reassembled(parts));
  };
  const auto query = through(
      pod, test::udp_frame({pod.mac, kGatewayMac}, {kPod1, kVip}, 40000, kServicePort, big));
  CHECK(query.dst == kPod2);
  CHECK(query.dst_port == kTargetPort);
  CHECK(query.checksums_ok());
  CHECK(query.payload.size() == 3000);
  const auto answer = through(
      server, test::udp_frame({server.mac, kGatewayMac}, {kPod2, kPod1}, kTargetPort, 40000, big));
  CHECK(answer.src == kVip);
  CHECK(answer.checksums_ok());
  CHECK(world.sink.asked == 0);
}

TEST_CASE("a later fragment without its first is dropped, and its promoted connection demoted") {
  World world;
  world.serve({endpoint(kPod2)});
  const Side pod = World::side_of(kPod1);
  world.udp(pod, kPod1, 40000, kVip, kServicePort);
  world.udp(pod, kPod1, 40000, kVip, kServicePort);
  REQUIRE(world.slow.promoted_count() == 1);
  const auto parts =
      test::fragments_of(test::udp_frame({pod.mac, kGatewayMac}, {kPod1, kVip}, 40000, kServicePort,
                                         std::string(2000, 'z')),
                         1400);
  CHECK(world.give(pod, parts[1]).empty());
  CHECK(world.counter("fragments_dropped") == 1);
  CHECK(world.slow.promoted_count() == 0);
  CHECK(world.give(pod, parts[0]).size() == 1);
  CHECK(world.give(pod, parts[1]).size() == 1);
  CHECK(world.slow.promoted_count() == 0);
  world.clock.advance(FragmentTable::kLifetime);
  CHECK(world.give(pod, parts[1]).empty());
}

}  // namespace
}  // namespace sluice::slowpath
