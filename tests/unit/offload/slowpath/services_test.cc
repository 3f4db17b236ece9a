// SPDX-License-Identifier: Apache-2.0
// Which endpoint a new connection gets, and what it gets where there is none.
#include <doctest/doctest.h>

#include <map>

#include "tests/unit/offload/slowpath/world.h"

namespace sluice::slowpath {
namespace {

using namespace addresses;

std::vector<model::Endpoint> endpoints(int n) {
  std::vector<model::Endpoint> made;
  for (int i = 0; i < n; ++i) {
    made.push_back(endpoint(Ipv4{kPodB.value + static_cast<std::uint32_t>(i)}));
  }
  return made;
}

// By source port, the endpoint of 2000 connections.
std::map<int, Ipv4> choices(const std::vector<model::Endpoint>& of) {
  auto intent = cluster();
  intent.services = {web(of)};
  const ServiceIndex index(std::make_shared<const model::Intent>(intent));
  const auto ref = index.by_cluster_ip(kVip, kIpTcp, kServicePort);
  std::map<int, Ipv4> chosen;
  for (int port = 10000; port < 12000; ++port) {
    const Tuple tuple{kPod1, kVip, static_cast<std::uint16_t>(port), kServicePort, kIpTcp, {}};
    chosen[port] = index.choose(ref, model::TrafficPolicy::kCluster, tuple)->ip;
  }
  return chosen;
}

TEST_CASE("connections spread over the endpoints, the same in every run") {
  const auto chosen = choices(endpoints(5));
  CHECK(chosen == choices(endpoints(5)));
  std::map<Ipv4, int> load;
  for (const auto& [port, ip] : chosen) ++load[ip];
  CHECK(load.size() == 5);
  for (const auto& [ip, n] : load) {
    CHECK(n > 320);  // 400 is even; five standard deviations are 90
    CHECK(n < 480);
  }
}

TEST_CASE("losing an endpoint moves its own connections only") {
  auto fewer = endpoints(5);
  const Ipv4 lost = fewer[2].ip;
  fewer.erase(fewer.begin() + 2);
  const auto before = choices(endpoints(5));
  for (const auto& [port, ip] : choices(fewer)) {
    if (before.at(port) != lost) CHECK(before.at(port) == ip);
  }
}

TEST_CASE("usable is ready; when nothing is, what serves while it terminates") {
  World world;
  auto ready = endpoint(kPodB), terminating = endpoint(kPodC), dead = endpoint(kPod2);
  terminating.ready = false;
  terminating.terminating = true;
  dead.ready = dead.serving = false;
  dead.terminating = true;
  const auto chosen = [&](std::uint16_t sport) {
    const auto sent =
        world.tcp(World::side_of(kPod1), kPod1, sport, kVip, kServicePort, test::kTcpSynFlag);
    REQUIRE(sent.size() == 1);
    return World::read(sent[0]).packet.dst;
  };
  world.serve({ready, terminating, dead});
  for (std::uint16_t port = 1; port < 20; ++port) CHECK(chosen(port) == kPodB);
  world.serve({terminating, dead});
  for (std::uint16_t port = 101; port < 120; ++port) CHECK(chosen(port) == kPodC);
}

TEST_CASE("a service without endpoints is refused, whoever asks") {
  World world;
  world.serve({});
  struct Who {
    Ipv4 client, address;
    std::uint16_t port;
    const char* how;
  };
  for (const Who& who :
       {Who{kPod1, kVip, kServicePort, "vf0"}, Who{kNode0, kVip, kServicePort, "host"},
        Who{kOutside, kNodeA, kNodePort, "wire"},
        Who{kPodB, kNodeA, kNodePort, "tunnel 192.168.0.2"}}) {
    const Side side = World::side_of(who.client);
    const auto reset = world.tcp(side, who.client, 40000, who.address, who.port, test::kTcpSynFlag);
    REQUIRE(reset.size() == 1);
    const Delivered rst = World::read(reset[0]);
    CHECK(rst.how == who.how);
    CHECK(rst.packet.checksums_ok());
    CHECK(rst.packet.src == who.address);
    CHECK(rst.packet.dst == who.client);
    CHECK(rst.packet.src_port == who.port);
    CHECK(rst.packet.tcp_flags == (test::kTcpRstFlag | test::kTcpAckFlag));
    CHECK(rst.packet.tcp_seq == 0);
    CHECK(rst.packet.tcp_ack == 1001);  // the SYN counts as one

    const auto error = world.udp(side, who.client, 40000, who.address, who.port);
    REQUIRE(error.size() == 1);
    const Delivered unreachable = World::read(error[0]);
    CHECK(unreachable.how == who.how);
    CHECK(unreachable.packet.checksums_ok());
    CHECK(unreachable.packet.icmp_type == 3);
    CHECK(unreachable.packet.icmp_code == 3);
    const auto quoted = test::quoted_view(unreachable.packet.payload);
    REQUIRE(quoted.has_value());
    CHECK(quoted->dst == who.address);
    CHECK(quoted->dst_port == who.port);
  }
  CHECK(world.counter("refused_no_endpoint") == 8);
  CHECK(world.slow.connection_count() == 0);
}

TEST_CASE("a cluster IP refuses unknown ports, and doesn't answer ping") {
  World world;
  world.serve({endpoint(kPodB)});
  const Side pod = World::side_of(kPod1);
  const auto sent = world.tcp(pod, kPod1, 40000, kVip, 81, test::kTcpSynFlag);
  REQUIRE(sent.size() == 1);
  CHECK((World::read(sent[0]).packet.tcp_flags & test::kTcpRstFlag) != 0);
  CHECK(world.counter("refused_unknown_port") == 1);
  CHECK(world.give(pod, test::echo_frame({pod.mac, kGatewayMac}, {kPod1, kVip}, true, 1)).empty());
  CHECK(world.counter("service_echo_dropped") == 1);
  CHECK(world.give(pod, test::ip_frame({pod.mac, kGatewayMac}, {kPod1, kVip}, 132, "sctp...."))
            .empty());
}

TEST_CASE("a RST is never answered") {
  World world;
  world.serve({});
  CHECK(world.tcp(World::side_of(kPod1), kPod1, 40000, kVip, kServicePort, test::kTcpRstFlag)
            .empty());
}

TEST_CASE("policy Local") {
  World world;
  auto service = web({endpoint(kPodB)});
  service.internal_policy = service.external_policy = model::TrafficPolicy::kLocal;
  const auto apply = [&] { world.change([&](model::Intent& i) { i.services = {service}; }); };
  apply();
  const Side pod = World::side_of(kPod1), wire = World::side_of(kOutside);
  SUBCASE("without a local endpoint: dropped in silence") {
    CHECK(world.tcp(pod, kPod1, 1, kVip, kServicePort, test::kTcpSynFlag).empty());
    CHECK(world.tcp(wire, kOutside, 1, kNodeA, kNodePort, test::kTcpSynFlag).empty());
    CHECK(world.counter("no_local_endpoint_dropped") == 2);
  }
  SUBCASE("a NodePort gives pods and nodes all endpoints") {
    CHECK(world.tcp(pod, kPod1, 1, kNodeA, kNodePort, test::kTcpSynFlag).size() == 1);
    CHECK(world.tcp(World::side_of(kNode0), kNode0, 1, kGateway, kNodePort, test::kTcpSynFlag)
              .size() == 1);
    CHECK(world.tcp(World::side_of(kPodC), kPodC, 1, kNodeA, kNodePort, test::kTcpSynFlag).size() ==
          1);
  }
  SUBCASE("only the local one is chosen, and sees the client") {
    service = web({endpoint(kPodB), endpoint(kPodC), endpoint(kPod2)});
    service.internal_policy = service.external_policy = model::TrafficPolicy::kLocal;
    apply();
    for (std::uint16_t port = 1; port < 20; ++port) {
      const auto sent = world.tcp(wire, kOutside, port, kNodeA, kNodePort, test::kTcpSynFlag);
      REQUIRE(sent.size() == 1);
      CHECK(World::read(sent[0]).packet.dst == kPod2);
      CHECK(World::read(sent[0]).packet.src == kOutside);
    }
  }
}

TEST_CASE("the gateway's NodePort isn't for the wire") {
  World world;
  world.serve({endpoint(kPod2)});
  CHECK(world.tcp(World::side_of(kOutside), kOutside, 1, kGateway, kNodePort, test::kTcpSynFlag)
            .empty());
}

}  // namespace
}  // namespace sluice::slowpath
