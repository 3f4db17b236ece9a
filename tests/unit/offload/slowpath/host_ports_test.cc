// SPDX-License-Identifier: Apache-2.0
// Connections to hostPorts: translated there and back, and gone with their pod.
#include <doctest/doctest.h>

#include "tests/unit/offload/slowpath/world.h"

namespace sluice::slowpath {
namespace {

using namespace addresses;

constexpr std::uint16_t kPort = 8088;

model::Intent mapped(Ipv4 address = {}) {
  auto intent = cluster();
  intent.attachments[0].host_ports = {{model::Proto::kTcp, kPort, kTargetPort, address},
                                      {model::Proto::kUdp, kPort, kTargetPort, address}};
  return intent;
}

struct Row {
  const char* name;
  Ipv4 client, address, source;
  bool own_port;
  const char* back;
};

// Everything ends at pod 1, on vf0.
const Row kRows[] = {
    {"outside", kOutside, kNodeA, kOutside, false, "wire"},
    {"outside, node0's address", kOutside, kNode0, kOutside, false, "wire"},
    {"local VF pod", kPod2, kNodeA, kPod2, false, "vf1"},
    {"local veth pod", kPod3, kNodeA, kPod3, false, "host"},
    {"local pod, node0's address", kPod2, kNode0, kPod2, false, "vf1"},
    {"remote pod", kPodB, kNodeA, kNode0, true, "tunnel 192.168.0.2"},
    {"remote pod, node0's address", kPodB, kNode0, kNode0, true, "tunnel 192.168.0.2"},
    {"itself", kPod1, kNodeA, kGateway, true, "vf0"},
};

TEST_CASE("TCP and UDP are translated there and back by every row of the table") {
  for (const Row& row : kRows) {
    for (const bool tcp : {true, false}) {
      CAPTURE(row.name);
      CAPTURE(tcp);
      World world(mapped());
      const Side side = World::side_of(row.client);
      const auto there =
          tcp ? world.tcp(side, row.client, 40000, row.address, kPort, test::kTcpSynFlag)
              : world.udp(side, row.client, 40000, row.address, kPort);
      REQUIRE(there.size() == 1);
      const Delivered asked = World::read(there[0]);
      CHECK(asked.how == "vf0");
      CHECK(asked.packet.checksums_ok());
      CHECK(asked.packet.dst == kPod1);
      CHECK(asked.packet.dst_port == kTargetPort);
      CHECK(asked.packet.src == row.source);
      CHECK(
          (row.own_port ? kBlock.contains(asked.packet.src_port) : asked.packet.src_port == 40000));

      const Side pod = World::side_of(kPod1);
      const auto back =
          tcp ? world.tcp(pod, kPod1, kTargetPort, asked.packet.src, asked.packet.src_port,
                          test::kTcpSynFlag | test::kTcpAckFlag)
              : world.udp(pod, kPod1, kTargetPort, asked.packet.src, asked.packet.src_port);
      REQUIRE(back.size() == 1);
      const Delivered answer = World::read(back[0]);
      CHECK(answer.how == row.back);
      CHECK(answer.packet.checksums_ok());
      CHECK(answer.packet.src == row.address);
      CHECK(answer.packet.src_port == kPort);
      CHECK(answer.packet.dst == row.client);
      CHECK(answer.packet.dst_port == 40000);
    }
  }
}

TEST_CASE("an established connection is listed by its pod and gets flows") {
  World world(mapped());
  (void)world.handshake(World::side_of(kOutside), kOutside, 40000, kNodeA, kPort);
  for (int i = 0; i < 20; ++i) {
    (void)world.tcp(World::side_of(kOutside), kOutside, 40000, kNodeA, kPort, test::kTcpAckFlag,
                    "x");
  }
  const auto connections = world.slow.connections(10);
  REQUIRE(connections.size() == 1);
  CHECK(connections[0].service == "hostport/shop/p1:8088");
  CHECK(connections[0].translated == "203.0.113.5:40000 -> 10.244.1.10:8080");
  CHECK(connections[0].promoted);
}

TEST_CASE("an address that is not mapped is as without hostPorts") {
  World world(mapped(kNode0));
  const auto there =
      world.tcp(World::side_of(kPod2), kPod2, 40000, kNodeA, kPort, test::kTcpSynFlag);
  REQUIRE(there.size() == 1);
  CHECK(World::read(there[0]).how == "host");  // the node's own socket, if there is one
  CHECK(World::read(there[0]).packet.dst == kNodeA);
}

TEST_CASE("without its hostPort a connection from outside ends, TCP inside goes on") {
  World world(mapped());
  (void)world.handshake(World::side_of(kOutside), kOutside, 40000, kNodeA, kPort);
  (void)world.handshake(World::side_of(kPod2), kPod2, 40001, kNode0, kPort);
  REQUIRE(world.udp(World::side_of(kPod2), kPod2, 40002, kNodeA, kPort).size() == 1);
  CHECK(world.slow.connection_count() == 3);
  world.change([](model::Intent& intent) { intent.attachments[0].host_ports.clear(); });
  REQUIRE(world.slow.connection_count() == 1);
  CHECK(world.slow.connections(1)[0].original == "10.244.1.11:40001 -> 10.244.1.1:8088");
  // Its packets are no longer trapped by a rule of the plan: it has traps of its own.
  CHECK(world.sink.rules.size() > 0);
}

TEST_CASE("the pod goes: nothing of its connections stays, and its successor gets new ones") {
  World world(mapped());
  (void)world.handshake(World::side_of(kPod2), kPod2, 40001, kNodeA, kPort);
  world.change([](model::Intent& intent) {
    auto successor = intent.attachments[2];
    successor.host_ports = intent.attachments[0].host_ports;
    intent.attachments[0].host_ports.clear();
    intent.attachments[0].id = "c9/eth0";
    intent.attachments[2] = successor;
  });
  CHECK(world.slow.connection_count() == 0);
  const auto there =
      world.tcp(World::side_of(kPod2), kPod2, 40001, kNodeA, kPort, test::kTcpSynFlag);
  REQUIRE(there.size() == 1);
  CHECK(World::read(there[0]).packet.dst == kPod3);
}

TEST_CASE("a hostPort has its number before a NodePort does") {
  auto intent = mapped();
  intent.services = {web({endpoint(kPod2)})};
  intent.services[0].ports[0].node_port = kPort;
  World world(intent);
  const auto there =
      world.tcp(World::side_of(kOutside), kOutside, 40000, kNodeA, kPort, test::kTcpSynFlag);
  REQUIRE(there.size() == 1);
  CHECK(World::read(there[0]).packet.dst == kPod1);
}

}  // namespace
}  // namespace sluice::slowpath
