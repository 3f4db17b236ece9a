// SPDX-License-Identifier: Apache-2.0
// Bytes from people who mean harm: forged origins, floods, garbage.
#include <doctest/doctest.h>

#include "tests/unit/offload/slowpath/world.h"

namespace sluice::slowpath {
namespace {

using namespace addresses;

TEST_CASE("nobody outside has an address of this node") {
  World world;
  world.serve({endpoint(kPod2)});
  for (const std::uint32_t meta : {model::meta::kTunnel, model::meta::kWire}) {
    const Side side{model::PortId::uplink(), meta, kRouterMac};
    for (const Ipv4 src : {kPod1, kNodeA, kNode0, kGateway, kVip, test::ip("10.244.1.77")}) {
      CHECK(world.udp(side, src, 1, kPod2, 2).empty());
    }
  }
  CHECK(world.counter("spoofed") == 12);
  const Side plain{model::PortId::uplink(), model::meta::kWire, kRouterMac};
  CHECK(world.udp(plain, kPodB, 1, kPod2, 2).empty());
  CHECK(world.counter("spoofed") == 13);
  CHECK(world.udp(World::side_of(kPodB), kPodB, 1, kPod2, 2).size() == 1);
}

TEST_CASE("without a verdict of the ingress rules the slow path judges itself") {
  World world;
  const Side pod = World::side_of(kPod1);
  CHECK(world.udp({pod.port, 0, pod.mac}, kPod1, 1, kPod2, 2).size() == 1);
  CHECK(world.udp({pod.port, 0, pod.mac}, kPod3, 1, kPod2, 2).empty());
  CHECK(world.udp({pod.port, 0, World::side_of(kPod2).mac}, kPod1, 1, kPod2, 2).empty());
  CHECK(world.udp({model::PortId::host(), 0, pod.mac}, kPod1, 1, kPod2, 2).empty());
  CHECK(world.udp({model::PortId::host(), 0, kNode0Mac}, kNode0, 1, kPod2, 2).size() == 1);
  CHECK(world.udp({model::PortId::host(), 0, kNode0Mac}, kOutside, 1, kPod2, 2).empty());
  CHECK(world.udp({model::PortId::uplink(), 0, kRouterMac}, kOutside, 1, kPod2, 2).empty());
}

TEST_CASE("only the uplink brings what came by tunnel or wire, and nothing local") {
  World world;
  CHECK(world.udp({model::PortId::vf(0), model::meta::kTunnel, kGatewayMac}, kPodB, 1, kPod2, 2)
            .empty());
  CHECK(world.udp({model::PortId::host(), model::meta::kWire, kGatewayMac}, kOutside, 1, kPod2, 2)
            .empty());
  CHECK(world.udp({model::PortId::uplink(), model::meta::kLocal, kRouterMac}, kPod1, 1, kPod2, 2)
            .empty());
  CHECK(world.udp({model::PortId::vf(0), 0x00070000, kGatewayMac}, kPod1, 1, kPod2, 2).empty());
}

TEST_CASE("impossible addresses are dropped") {
  World world;
  const Side pod = World::side_of(kPod1);
  for (const char* dst : {"127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "240.0.0.1"}) {
    CHECK(world.udp(pod, kPod1, 1, test::ip(dst), 2).empty());
  }
  CHECK(world.udp(pod, test::ip("127.0.0.1"), 1, kPod2, 2).empty());
  CHECK(world
            .give(pod,
                  test::udp_frame({pod.mac, test::mac("ff:ff:ff:ff:ff:ff")}, {kPod1, kPod2}, 1, 2))
            .empty());
  CHECK(world.counter("invalid") == 7);
}

TEST_CASE("before the first Intent everything is dropped") {
  ManualClock clock;
  SeededRng rng(1);
  RecordingPort port;
  FakeFlowSink sink;
  SlowPath slow({}, port, sink, clock, rng, Logger());
  auto frame = test::arp_request_frame(World::side_of(kPod1).mac, kPod1, kGateway);
  slow.receive(model::PortId::vf(0), 0, frame);
  slow.tick();
  CHECK(port.sent.empty());
  CHECK(slow.connections(5).empty());
}

TEST_CASE("a flood of SYNs makes room for itself only, established connections stay") {
  Options options;
  options.max_connections = 16;
  World world(cluster(), options);
  world.serve({endpoint(kPodB)});
  for (std::uint16_t n = 1; n <= 8; ++n) {
    world.handshake(World::side_of(kPod1), kPod1, n, kVip, kServicePort);
  }
  for (std::uint16_t n = 1; n <= 200; ++n) {
    world.tcp(World::side_of(kOutside), kOutside, n, kNodeA, kNodePort, test::kTcpSynFlag);
  }
  CHECK(world.slow.connection_count() == 16);
  CHECK(world.slow.promoted_count() == 8);
  CHECK(world.counter("connections_evicted") == 192);
}

TEST_CASE("half-open connections give back the masquerade ports of an endpoint, the oldest first") {
  auto intent = cluster();
  intent.masquerade = {50176, 50183};
  World world(intent);
  world.serve({endpoint(kPodB)});
  const Side wire = World::side_of(kOutside);
  const Delivered kept = world.handshake(wire, kOutside, 1, kNodeA, kNodePort);
  for (std::uint16_t n = 100; n < 107; ++n) {
    CHECK(world.tcp(wire, kOutside, n, kNodeA, kNodePort, test::kTcpSynFlag).size() == 1);
    world.clock.advance(std::chrono::milliseconds(1));
  }
  // Every port is taken. Who comes now gets through, handshakes that are under way too.
  for (std::uint16_t n = 200; n < 203; ++n) {
    world.handshake(wire, kOutside2, n, kNodeA, kNodePort);
  }
  CHECK(world.counter("masquerade_exhausted") == 0);
  CHECK(world.counter("connections_evicted") == 3);
  CHECK(world.slow.promoted_count() == 4);
  CHECK(world.slow.connection_count() == 8);
  std::string left;
  for (const auto& info : world.slow.connections(10)) {
    if (info.state == "new") left += info.original.substr(0, info.original.find(' ')) + " ";
  }
  for (const char* gone : {":100 ", ":101 ", ":102 "}) CHECK(left.find(gone) == std::string::npos);
  const auto answer = world.tcp(World::side_of(kPodB), kPodB, kTargetPort, kept.packet.src,
                                kept.packet.src_port, test::kTcpAckFlag);
  REQUIRE(answer.size() == 1);
  CHECK(World::read(answer[0]).packet.dst == kOutside);
  // Established ones keep theirs.
  for (std::uint16_t n = 300; n < 304; ++n) {
    world.handshake(wire, kOutside2, n, kNodeA, kNodePort);
  }
  CHECK(world.tcp(wire, kOutside2, 304, kNodeA, kNodePort, test::kTcpSynFlag).empty());
  CHECK(world.counter("masquerade_exhausted") == 1);
  CHECK(world.slow.promoted_count() == 8);
}

TEST_CASE("a port whose connection has flows isn't given away, answered or not") {
  auto intent = cluster();
  intent.masquerade = {50176, 50176};
  World world(intent);
  for (int i = 0; i < 2; ++i) {
    CHECK(world.udp(World::side_of(kPod1), kPod1, 9, kOutside, 53).size() == 1);
  }
  REQUIRE(world.slow.promoted_count() == 1);
  CHECK(world.udp(World::side_of(kPod2), kPod2, 9, kOutside, 53).empty());
  CHECK(world.counter("masquerade_exhausted") == 1);
  world.slow.demote_all();
  CHECK(world.udp(World::side_of(kPod2), kPod2, 9, kOutside, 53).size() == 1);
}

TEST_CASE("a known connection's addresses are worth nothing from another side") {
  World world;
  world.serve({endpoint(kPodB), endpoint(kNodeB)});
  std::vector<std::uint16_t> ports;
  const Side pod = World::side_of(kPod1);
  const Side plain{model::PortId::uplink(), model::meta::kWire, kRouterMac};
  const auto spoofed_by = [&](const auto& send) {
    const auto before = world.counter("spoofed");
    CHECK(send().empty());
    return world.counter("spoofed") - before;
  };
  Ipv4 receiver;
  SUBCASE("a remote pod") {
    world.serve({endpoint(kPodB)});
    receiver = kPodB;
  }
  SUBCASE("another node") {
    world.serve({endpoint(kNodeB)});
    receiver = kNodeB;
  }
  const auto query = world.udp(pod, kPod1, 40000, kVip, kServicePort);
  REQUIRE(query.size() == 1);
  CHECK(spoofed_by([&] { return world.udp(plain, receiver, kTargetPort, kPod1, 40000); }) == 1);
  CHECK(world.slow.connections(1).at(0).state == "new");
  // Nor is an error about it that an outsider makes up.
  const auto sent = test::vxlan_view(query[0].frame)->inner;
  CHECK(spoofed_by([&] {
          return world.give(
              plain, test::icmp_error_frame({kRouterMac, kUplinkMac}, {kOutside, kPod1}, 3, 3,
                                            test::ip_of(sent)));
        }) == 1);
  // Nor the rest of an answer in fragments.
  const Side tunnel = World::side_of(receiver);
  const auto parts =
      test::fragments_of(test::udp_frame({kGatewayMac, kGatewayMac}, {receiver, kPod1}, kTargetPort,
                                         40000, std::string(2000, 'z')),
                         1400);
  REQUIRE(world.give(tunnel, parts[0]).size() == 1);
  CHECK(spoofed_by([&] { return world.give(plain, parts[1]); }) == 1);
  CHECK(world.give(tunnel, parts[1]).size() == 1);
}

TEST_CASE("a client outside is not one in the overlay") {
  World world;
  world.serve({endpoint(kPod2)});
  world.handshake(World::side_of(kOutside), kOutside, 1, kNodeA, kNodePort);
  const Side tunnel{model::PortId::uplink(), model::meta::kTunnel, kGatewayMac};
  CHECK(world.tcp(tunnel, kOutside, 1, kNodeA, kNodePort, test::kTcpRstFlag).empty());
  CHECK(world.slow.promoted_count() == 1);
  CHECK(world.counter("spoofed") == 1);
}

TEST_CASE("connections from outside to a pod make room when they are silent") {
  Options options;
  options.max_connections = 4;
  World world(cluster(), options);
  const Side pod = World::side_of(kPod1);
  world.sink.accept_next = 0;
  for (std::uint16_t n = 1; n <= 4; ++n) {
    for (const auto flags : {test::kTcpSynFlag | test::kTcpAckFlag, test::kTcpAckFlag + 0}) {
      CHECK(world.tcp(pod, kPod1, 80, kOutside, n, static_cast<std::uint8_t>(flags)).size() == 1);
    }
  }
  CHECK(world.udp(pod, kPod1, 9, kOutside, 53).empty());
  CHECK(world.counter("table_full") == 1);
  world.clock.advance(options.timeouts.tcp_closing);
  CHECK(world.udp(pod, kPod1, 9, kOutside, 53).size() == 1);
  CHECK(world.counter("connections_evicted") == 1);
}

TEST_CASE("a table full of established connections takes no more") {
  Options options;
  options.max_connections = 4;
  World world(cluster(), options);
  world.serve({endpoint(kPodB)});
  for (std::uint16_t n = 1; n <= 4; ++n) {
    world.handshake(World::side_of(kPod1), kPod1, n, kVip, kServicePort);
  }
  CHECK(world.tcp(World::side_of(kPod1), kPod1, 9, kVip, kServicePort, test::kTcpSynFlag).empty());
  CHECK(world.counter("table_full") == 1);
  CHECK(world.slow.connection_count() == 4);
}

TEST_CASE("mutilated frames of all kinds do no harm") {
  World world;
  world.serve({endpoint(kPodB), endpoint(kPod1), endpoint(kNodeA)});
  const test::Eth eth{World::side_of(kPod1).mac, kGatewayMac};
  const auto udp = test::udp_frame(eth, {kPod1, kVip}, 9, kServicePort, std::string(100, 'q'));
  const test::Frame seeds[] = {
      udp,
      test::tcp_frame(eth, {kPod1, kVip}, 9, kServicePort, test::kTcpSynFlag),
      test::icmp_error_frame(eth, {kPod1, kVip}, 3, 3, test::ip_of(udp)),
      test::echo_frame(eth, {kPod1, kGateway}, true, 1),
      test::arp_request_frame(eth.src, kPod1, kGateway),
      test::fragments_of(udp, 64)[0],
      test::fragments_of(udp, 64)[1],
  };
  SeededRng rng(11);
  const Side sides[] = {World::side_of(kPod1), World::side_of(kPodB), World::side_of(kOutside),
                        World::side_of(kNode0)};
  for (int i = 0; i < 20000; ++i) {
    test::Frame frame = seeds[rng.next() % std::size(seeds)];
    for (std::uint64_t n = rng.next() % 4; n > 0; --n) {
      frame[rng.next() % frame.size()] = static_cast<std::uint8_t>(rng.next());
    }
    if (rng.next() % 4 == 0) frame.resize(rng.next() % (frame.size() + 1));
    world.give(sides[rng.next() % std::size(sides)], frame);
    if (i % 100 == 0) {
      world.clock.advance(std::chrono::seconds(1));
      world.slow.tick();
    }
  }
  CHECK(world.counter("received") == 20000);
  CHECK(world.sink.rules.size() == 2 * world.slow.promoted_count());
}

}  // namespace
}  // namespace sluice::slowpath
