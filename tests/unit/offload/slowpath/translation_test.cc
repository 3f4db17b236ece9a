// SPDX-License-Identifier: Apache-2.0
// The table "Translation" of ARCHITECTURE.md, every row there and back, and what must stay unique.
#include <doctest/doctest.h>

#include <set>

#include "tests/unit/offload/slowpath/world.h"

namespace sluice::slowpath {
namespace {

using namespace addresses;

struct Row {
  const char* name;
  Ipv4 client;
  Ipv4 address;  // that the client connects to
  std::uint16_t port;
  Ipv4 endpoint;
  Ipv4 source;    // that the endpoint sees
  bool own_port;  // from the masquerade block
  const char* there;
  const char* back;
};

const Ipv4 kFarEndpoint = kOutside2;

const Row kRows[] = {
    {"pod, local pod", kPod1, kVip, kServicePort, kPod2, kPod1, false, "vf1", "vf0"},
    {"veth pod, local pod", kPod3, kVip, kServicePort, kPod2, kPod3, false, "vf1", "host"},
    {"pod, veth pod", kPod1, kVip, kServicePort, kPod3, kPod1, false, "host", "vf0"},
    {"pod, remote pod", kPod1, kVip, kServicePort, kPodB, kPod1, false, "tunnel 192.168.0.2",
     "vf0"},
    {"node0, local pod", kNode0, kVip, kServicePort, kPod2, kNode0, false, "vf1", "host"},
    {"node0, remote pod", kNode0, kVip, kServicePort, kPodB, kNode0, false, "tunnel 192.168.0.2",
     "host"},
    {"hairpin", kPod1, kVip, kServicePort, kPod1, kGateway, true, "vf0", "vf0"},
    {"pod, own node", kPod1, kVip, kServicePort, kNodeA, kGateway, true, "host", "vf0"},
    {"node0, own node", kNode0, kVip, kServicePort, kNodeA, kGateway, true, "host", "host"},
    {"pod, other node", kPod1, kVip, kServicePort, kNodeB, kPod1, false, "tunnel 192.168.0.2",
     "vf0"},
    {"pod, outside", kPod1, kVip, kServicePort, kFarEndpoint, kNodeA, true, "wire", "vf0"},
    {"node's NodePort by the gateway, local pod", kNode0, kGateway, kNodePort, kPod2, kNode0, false,
     "vf1", "host"},
    {"node's own address, local pod", kNodeA, kGateway, kNodePort, kPod2, kNode0, true, "vf1",
     "host"},
    {"node's own address, remote pod", kNodeA, kGateway, kNodePort, kPodB, kNode0, true,
     "tunnel 192.168.0.2", "host"},
    {"node's own address, other node", kNodeA, kGateway, kNodePort, kNodeB, kNode0, true,
     "tunnel 192.168.0.2", "host"},
    {"node's own address, own node", kNodeA, kGateway, kNodePort, kNodeA, kGateway, true, "host",
     "host"},
    {"pod's NodePort, local pod", kPod1, kNodeA, kNodePort, kPod2, kPod1, false, "vf1", "vf0"},
    {"pod's NodePort, itself", kPod1, kNodeA, kNodePort, kPod1, kGateway, true, "vf0", "vf0"},
    {"outside, local pod", kOutside, kNodeA, kNodePort, kPod2, kOutside, false, "vf1", "wire"},
    {"outside, remote pod", kOutside, kNodeA, kNodePort, kPodB, kNode0, true, "tunnel 192.168.0.2",
     "wire"},
    {"outside, other node", kOutside, kNodeA, kNodePort, kNodeB, kNode0, true, "tunnel 192.168.0.2",
     "wire"},
    {"outside, own node", kOutside, kNodeA, kNodePort, kNodeA, kGateway, true, "host", "wire"},
    {"outside, outside", kOutside, kNodeA, kNodePort, kFarEndpoint, kNodeA, true, "wire", "wire"},
    {"remote pod, local pod", kPodB, kNodeA, kNodePort, kPod2, kNode0, true, "vf1",
     "tunnel 192.168.0.2"},
    {"remote pod, third node's pod", kPodB, kNodeA, kNodePort, kPodC, kNode0, true,
     "tunnel 192.168.0.3", "tunnel 192.168.0.2"},
    {"remote pod, its own node's pod", kPodB, kNodeA, kNodePort, test::ip("10.244.2.11"), kNode0,
     true, "tunnel 192.168.0.2", "tunnel 192.168.0.2"},
};

void check_source(const Row& row, const test::View& got, std::uint16_t client_port) {
  CHECK(got.src == row.source);
  if (row.own_port) {
    CHECK(kBlock.contains(got.src_port));
  } else {
    CHECK(got.src_port == client_port);
  }
}

TEST_CASE("TCP is translated there and back by every row of the table") {
  for (const Row& row : kRows) {
    CAPTURE(row.name);
    World world;
    world.serve({endpoint(row.endpoint)});
    const Side side = World::side_of(row.client);

    const auto there = world.tcp(side, row.client, 40000, row.address, row.port, test::kTcpSynFlag);
    REQUIRE(there.size() == 1);
    const Delivered syn = World::read(there[0]);
    CHECK(syn.how == row.there);
    CHECK(syn.packet.checksums_ok());
    CHECK(syn.packet.ttl == 63);
    CHECK(syn.packet.dst == row.endpoint);
    CHECK(syn.packet.dst_port == kTargetPort);
    check_source(row, syn.packet, 40000);

    const auto back =
        world.tcp(World::side_of(row.endpoint), row.endpoint, kTargetPort, syn.packet.src,
                  syn.packet.src_port, test::kTcpSynFlag | test::kTcpAckFlag, "x");
    REQUIRE(back.size() == 1);
    const Delivered answer = World::read(back[0]);
    CHECK(answer.how == row.back);
    CHECK(answer.packet.checksums_ok());
    CHECK(answer.packet.src == row.address);
    CHECK(answer.packet.src_port == row.port);
    CHECK(answer.packet.dst == row.client);
    CHECK(answer.packet.dst_port == 40000);
    CHECK(answer.packet.payload == test::Frame{'x'});
  }
}

TEST_CASE("UDP is translated there and back by every row of the table") {
  for (const Row& row : kRows) {
    CAPTURE(row.name);
    World world;
    world.serve({endpoint(row.endpoint)});
    const auto there =
        world.udp(World::side_of(row.client), row.client, 40000, row.address, row.port, "abc");
    REQUIRE(there.size() == 1);
    const Delivered query = World::read(there[0]);
    CHECK(query.how == row.there);
    CHECK(query.packet.checksums_ok());
    check_source(row, query.packet, 40000);
    const auto back = world.udp(World::side_of(row.endpoint), row.endpoint, kTargetPort,
                                query.packet.src, query.packet.src_port, "defg");
    REQUIRE(back.size() == 1);
    const Delivered answer = World::read(back[0]);
    CHECK(answer.how == row.back);
    CHECK(answer.packet.checksums_ok());
    CHECK(answer.packet.src == row.address);
    CHECK(answer.packet.dst == row.client);
    CHECK(answer.packet.dst_port == 40000);
    // The flows take only what comes from where the two are.
    REQUIRE(world.sink.rules.size() == 2);
    for (const auto& [handle, rule] : world.sink.rules) {
      const bool forward = rule.match.ip_dst == Prefix4{row.address, 32};
      const Side from = World::side_of(forward ? row.client : row.endpoint);
      CHECK((rule.match.meta == model::Masked<std::uint32_t>{from.meta, model::meta::kOriginMask}));
    }
  }
}

TEST_CASE("Another node's own client that comes by the wire is answered by the wire") {
  World world;
  world.serve({endpoint(kPod2)});
  const Side wire{model::PortId::uplink(), model::meta::kWire, test::mac("02:00:00:00:02:01")};
  const auto there = world.tcp(wire, kNodeB, 40000, kNodeA, kNodePort, test::kTcpSynFlag);
  REQUIRE(there.size() == 1);
  const Delivered syn = World::read(there[0]);
  // Unchanged, the pod's answer would go into the tunnel to that node.
  CHECK(syn.packet.src == kNode0);
  const auto back = world.tcp(World::side_of(kPod2), kPod2, kTargetPort, syn.packet.src,
                              syn.packet.src_port, test::kTcpSynFlag | test::kTcpAckFlag);
  REQUIRE(back.size() == 1);
  CHECK(World::read(back[0]).how == "wire");
  CHECK(World::read(back[0]).packet.dst == kNodeB);
}

TEST_CASE("A pod's traffic to the outside is masqueraded and comes back") {
  World world;
  SUBCASE("TCP") {
    const Delivered syn = world.handshake(World::side_of(kPod1), kPod1, 40000, kOutside, 443);
    CHECK(syn.how == "wire");
    CHECK(syn.packet.src == kNodeA);
    CHECK(kBlock.contains(syn.packet.src_port));
    CHECK(syn.packet.eth_src == kUplinkMac);
    CHECK(syn.packet.eth_dst == kRouterMac);
  }
  SUBCASE("ICMP echo, by its identifier") {
    const Side pod = World::side_of(kPod1);
    const auto there =
        world.give(pod, test::echo_frame({pod.mac, kGatewayMac}, {kPod1, kOutside}, true, 7));
    REQUIRE(there.size() == 1);
    const Delivered request = World::read(there[0]);
    CHECK(request.packet.checksums_ok());
    CHECK(request.packet.src == kNodeA);
    CHECK(kBlock.contains(request.packet.icmp_id));
    const auto back = world.give(World::side_of(kOutside),
                                 test::echo_frame({kRouterMac, kUplinkMac}, {kOutside, kNodeA},
                                                  false, request.packet.icmp_id));
    REQUIRE(back.size() == 1);
    const Delivered reply = World::read(back[0]);
    CHECK(reply.how == "vf0");
    CHECK(reply.packet.checksums_ok());
    CHECK(reply.packet.dst == kPod1);
    CHECK(reply.packet.icmp_id == 7);
  }
}

TEST_CASE("What came in plain to a pod is answered in kind") {
  World world;
  const auto answer = world.tcp(World::side_of(kPod1), kPod1, 80, kOutside, 5555,
                                test::kTcpSynFlag | test::kTcpAckFlag);
  REQUIRE(answer.size() == 1);
  CHECK(World::read(answer[0]).how == "wire");
  CHECK(World::read(answer[0]).packet.src == kPod1);
  const auto data = world.tcp(World::side_of(kPod1), kPod1, 80, kOutside, 5555, test::kTcpAckFlag);
  REQUIRE(data.size() == 1);
  CHECK(World::read(data[0]).packet.src == kPod1);
  CHECK(world.slow.promoted_count() == 1);
}

TEST_CASE("A masquerade port is shared by different remotes and unique for one") {
  auto intent = cluster();
  intent.masquerade = {50176, 50177};
  World world(intent);
  const Side pod = World::side_of(kPod1);
  std::set<std::uint16_t> ports;
  for (std::uint16_t sport : {std::uint16_t{1000}, std::uint16_t{1001}}) {
    const auto sent = world.udp(pod, kPod1, sport, kOutside, 53);
    REQUIRE(sent.size() == 1);
    ports.insert(World::read(sent[0]).packet.src_port);
  }
  CHECK(ports.size() == 2);
  for (const std::uint16_t port : ports) {
    CHECK(world.udp(World::side_of(kOutside), kOutside, 53, kNodeA, port).size() == 1);
  }
  CHECK(world.udp(pod, kPod1, 1002, kOutside, 53).empty());
  CHECK(world.counter("masquerade_exhausted") == 1);
  CHECK(world.udp(pod, kPod1, 1002, kOutside, 54).size() == 1);
  CHECK(world.udp(pod, kPod1, 1002, kOutside2, 53).size() == 1);
}

TEST_CASE("A direct connection is never confused with a service's") {
  World world;
  world.serve({endpoint(kPodB)});
  const Side pod = World::side_of(kPod1);
  const Side remote = World::side_of(kPodB);
  std::string first, second;
  SUBCASE("the service first") {
    const auto service = World::read(world.udp(pod, kPod1, 40000, kVip, kServicePort).at(0));
    const auto direct = World::read(world.udp(pod, kPod1, 40000, kPodB, kTargetPort).at(0));
    CHECK(service.packet.src_port == 40000);
    CHECK(direct.packet.src == kPod1);
    CHECK(kBlock.contains(direct.packet.src_port));
    const auto answer =
        World::read(world.udp(remote, kPodB, kTargetPort, kPod1, direct.packet.src_port).at(0));
    CHECK(answer.packet.src == kPodB);
    CHECK(answer.packet.dst_port == 40000);
    CHECK(answer.packet.checksums_ok());
    const auto other = World::read(world.udp(remote, kPodB, kTargetPort, kPod1, 40000).at(0));
    CHECK(other.packet.src == kVip);
  }
  SUBCASE("the direct one first") {
    const auto direct = World::read(world.udp(pod, kPod1, 40000, kPodB, kTargetPort).at(0));
    const auto service = World::read(world.udp(pod, kPod1, 40000, kVip, kServicePort).at(0));
    CHECK(direct.packet.src_port == 40000);
    CHECK(kBlock.contains(service.packet.src_port));
    const auto answer =
        World::read(world.udp(remote, kPodB, kTargetPort, kPod1, service.packet.src_port).at(0));
    CHECK(answer.packet.src == kVip);
    CHECK(answer.packet.src_port == kServicePort);
    CHECK(answer.packet.dst_port == 40000);
    const auto other = World::read(world.udp(remote, kPodB, kTargetPort, kPod1, 40000).at(0));
    CHECK(other.packet.src == kPodB);
  }
  CHECK(world.counter("source_ports_rewritten") == 1);
}

TEST_CASE("A connection that is over doesn't cost its client the source port") {
  World world;
  world.serve({endpoint(kPodB)});
  const Side pod = World::side_of(kPod1);
  world.handshake(pod, kPod1, 40000, kPodB, kTargetPort);
  SUBCASE("reset: the port is kept") {
    world.tcp(pod, kPod1, 40000, kPodB, kTargetPort, test::kTcpRstFlag);
    const auto service = world.handshake(pod, kPod1, 40000, kVip, kServicePort);
    CHECK(service.packet.src_port == 40000);
    CHECK(world.counter("source_ports_rewritten") == 0);
  }
  SUBCASE("alive: it is rewritten") {
    const auto service = world.handshake(pod, kPod1, 40000, kVip, kServicePort);
    CHECK(kBlock.contains(service.packet.src_port));
  }
}

TEST_CASE("A connection met in the middle: direct ones go on, the others are refused") {
  World world;
  world.serve({endpoint(kPodB)});
  const Side pod = World::side_of(kPod1);
  const auto direct = world.tcp(pod, kPod1, 40000, kPodB, kTargetPort, test::kTcpAckFlag);
  REQUIRE(direct.size() == 1);
  CHECK(World::read(direct[0]).how == "tunnel 192.168.0.2");
  for (const Ipv4 dst : {kVip, kOutside}) {
    const auto sent = world.tcp(pod, kPod1, 40001, dst, kServicePort, test::kTcpAckFlag);
    REQUIRE(sent.size() == 1);
    CHECK(World::read(sent[0]).how == "vf0");
    CHECK(World::read(sent[0]).packet.tcp_flags == test::kTcpRstFlag);
  }
}

}  // namespace
}  // namespace sluice::slowpath
