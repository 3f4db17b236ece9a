// SPDX-License-Identifier: Apache-2.0
// ICMP and ARP: what is answered, and what is translated.
#include <doctest/doctest.h>

#include "tests/unit/offload/slowpath/world.h"

namespace sluice::slowpath {
namespace {

using namespace addresses;

const test::Eth kFromPod{test::mac("02:00:00:00:00:10"), kGatewayMac};

TEST_CASE("ARP for the gateway is answered on every port but the uplink") {
  World world;
  const Side pod = World::side_of(kPod1);
  const auto request = test::arp_request_frame(pod.mac, kPod1, kGateway);
  for (const auto port : {model::PortId::vf(0), model::PortId::host()}) {
    const auto sent = world.give({port, 0, pod.mac}, request);
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].port == port);
    const auto reply = test::view(sent[0].frame);
    CHECK(reply->eth_dst == pod.mac);
    CHECK(reply->eth_src == kGatewayMac);
    CHECK(reply->payload[7] == 2);
    CHECK(
        std::equal(kGatewayMac.bytes.begin(), kGatewayMac.bytes.end(), reply->payload.begin() + 8));
  }
  CHECK(world.give({model::PortId::uplink(), 0, pod.mac}, request).empty());
  CHECK(world.give(pod, test::arp_request_frame(pod.mac, kPod1, kPod2)).empty());
}

TEST_CASE("the gateway answers ping") {
  World world;
  const auto sent = world.give(World::side_of(kPod1),
                               test::echo_frame(kFromPod, {kPod1, kGateway}, true, 3, 4, "hello"));
  REQUIRE(sent.size() == 1);
  const Delivered reply = World::read(sent[0]);
  CHECK(reply.how == "vf0");
  CHECK(reply.packet.checksums_ok());
  CHECK(reply.packet.src == kGateway);
  CHECK(reply.packet.dst == kPod1);
  CHECK(reply.packet.icmp_type == 0);
  CHECK(reply.packet.icmp_id == 3);
  CHECK(reply.packet.payload == test::Frame{'h', 'e', 'l', 'l', 'o'});
}

TEST_CASE("a used-up TTL is reported to local senders, with the packet that they sent") {
  World world;
  world.serve({endpoint(kPodB)});
  test::IpFields fields{kPod1, kVip};
  fields.ttl = 1;
  const auto sent = world.give(World::side_of(kPod1), test::udp_frame(kFromPod, fields, 40000, 80));
  REQUIRE(sent.size() == 1);
  const Delivered error = World::read(sent[0]);
  CHECK(error.how == "vf0");
  CHECK(error.packet.checksums_ok());
  CHECK(error.packet.src == kGateway);
  CHECK(error.packet.dst == kPod1);
  CHECK(error.packet.icmp_type == 11);
  CHECK(test::quoted_view(error.packet.payload)->dst == kVip);
  SUBCASE("also where a flow has translated it already") {
    world.handshake(World::side_of(kPod1), kPod1, 40001, kVip, kServicePort);
    fields.dst = kPodB;
    const auto again = world.give(World::side_of(kPod1),
                                  test::tcp_frame(kFromPod, fields, 40001, kTargetPort, 0x10));
    REQUIRE(again.size() == 1);
    const auto quoted = test::quoted_view(World::read(again[0]).packet.payload);
    CHECK(quoted->dst == kVip);
    CHECK(quoted->dst_port == kServicePort);
  }
  SUBCASE("not to others") {
    test::IpFields outside{kOutside, kNodeA};
    outside.ttl = 1;
    CHECK(world
              .give(World::side_of(kOutside),
                    test::tcp_frame({kRouterMac, kUplinkMac}, outside, 1, kNodePort, 2))
              .empty());
  }
}

TEST_CASE("a packet too big for its path") {
  World world;
  const std::string big(1430, 'x');  // 1458 bytes of IP; a pod's MTU is 1450
  test::IpFields fields{kPod1, kPodB};
  fields.dont_fragment = true;
  const auto sent = world.give(World::side_of(kPod1), test::udp_frame(kFromPod, fields, 1, 2, big));
  REQUIRE(sent.size() == 1);
  const Delivered error = World::read(sent[0]);
  CHECK(error.packet.icmp_type == 3);
  CHECK(error.packet.icmp_code == 4);
  CHECK(error.packet.icmp_mtu == 1450);
  CHECK(error.packet.ip_length <= 576);
  fields.dont_fragment = false;
  CHECK(world.give(World::side_of(kPod1), test::udp_frame(kFromPod, fields, 1, 2, big)).empty());
  CHECK(world.counter("too_big") == 2);
  fields.dst = kPod2;
  CHECK(world.give(World::side_of(kPod1), test::udp_frame(kFromPod, fields, 1, 2, big)).size() ==
        1);
}

TEST_CASE("no such pod: host unreachable, to local senders") {
  World world;
  const Ipv4 nobody = test::ip("10.244.1.99");
  const auto sent = world.udp(World::side_of(kPod1), kPod1, 1, nobody, 2);
  REQUIRE(sent.size() == 1);
  CHECK(World::read(sent[0]).packet.icmp_type == 3);
  CHECK(World::read(sent[0]).packet.icmp_code == 1);
  CHECK(world.udp(World::side_of(kPodB), kPodB, 1, nobody, 2).empty());
  CHECK(world.counter("unknown_destination") == 2);
}

TEST_CASE("errors are limited") {
  Options options;
  options.answers_per_second = 3;
  World world(cluster(), options);
  const auto answers = [&] {
    std::size_t n = 0;
    for (int i = 0; i < 10; ++i) {
      n += world.udp(World::side_of(kPod1), kPod1, 1, test::ip("10.244.1.99"), 2).size();
    }
    return n;
  };
  CHECK(answers() == 3);
  CHECK(answers() == 0);
  world.clock.advance(std::chrono::seconds(1));
  CHECK(answers() == 3);
  CHECK(world.counter("answers_rate_limited") == 24);
}

TEST_CASE("an error about an error isn't sent") {
  World world;
  const auto quoted =
      test::ip_of(test::udp_frame(kFromPod, {test::ip("10.244.1.99"), kPod1}, 1, 2));
  CHECK(world
            .give(World::side_of(kPod1),
                  test::icmp_error_frame(kFromPod, {kPod1, test::ip("10.244.1.99")}, 3, 3, quoted))
            .empty());
}

TEST_CASE("an ICMP error about a translated connection is translated with its quotation") {
  World world;
  world.serve({endpoint(kPodB)});
  const Side pod = World::side_of(kPod1), remote = World::side_of(kPodB);
  const test::Eth tunnel{kGatewayMac, kGatewayMac};
  const std::size_t lengths[] = {28, 65535};
  for (const std::size_t length : lengths) {
    CAPTURE(length);
    // The endpoint says port unreachable about a request.
    const auto query = world.udp(pod, kPod1, 40000, kVip, kServicePort);
    REQUIRE(query.size() == 1);
    const auto got = test::vxlan_view(query[0].frame)->inner;
    const auto there = world.give(
        remote, test::icmp_error_frame(tunnel, {kPodB, kPod1}, 3, 3, test::ip_of(got, length)));
    REQUIRE(there.size() == 1);
    const Delivered to_client = World::read(there[0]);
    CHECK(to_client.how == "vf0");
    CHECK(to_client.packet.checksums_ok());
    CHECK(to_client.packet.src == kVip);
    CHECK(to_client.packet.dst == kPod1);
    const auto quoted = test::quoted_view(to_client.packet.payload);
    REQUIRE(quoted.has_value());
    CHECK(quoted->ip_checksum_ok);
    CHECK(quoted->src == kPod1);
    CHECK(quoted->dst == kVip);
    CHECK(quoted->dst_port == kServicePort);
    if (length > 100) {
      const auto whole = test::framed(kFromPod, to_client.packet.payload);
      CHECK(test::view(whole)->l4_checksum_ok);
    }
    // The client says it about an answer.
    const auto answer = world.udp(remote, kPodB, kTargetPort, kPod1, 40000);
    REQUIRE(answer.size() == 1);
    const auto back = world.give(pod, test::icmp_error_frame(kFromPod, {kPod1, kVip}, 3, 3,
                                                             test::ip_of(answer[0].frame, length)));
    REQUIRE(back.size() == 1);
    const Delivered to_endpoint = World::read(back[0]);
    CHECK(to_endpoint.how == "tunnel 192.168.0.2");
    CHECK(to_endpoint.packet.dst == kPodB);
    CHECK(to_endpoint.packet.checksums_ok());
    const auto inner = test::quoted_view(to_endpoint.packet.payload);
    CHECK(inner->src == kPodB);
    CHECK(inner->src_port == kTargetPort);
    CHECK(inner->dst == kPod1);
  }
  CHECK(world.counter("icmp_errors_translated") == 4);
}

TEST_CASE("an ICMP error about no connection of ours reaches the pod as it is") {
  World world;
  world.serve({endpoint(kPodB)});
  const auto quoted = test::ip_of(test::udp_frame(kFromPod, {kPod1, kPodC}, 1, 2));
  const auto sent =
      world.give(World::side_of(kPodC),
                 test::icmp_error_frame({kGatewayMac, kGatewayMac}, {kPodC, kPod1}, 3, 3, quoted));
  REQUIRE(sent.size() == 1);
  const Delivered error = World::read(sent[0]);
  CHECK(error.how == "vf0");
  CHECK(error.packet.checksums_ok());
  CHECK(error.packet.src == kPodC);
  CHECK(test::quoted_view(error.packet.payload)->dst == kPodC);
}

TEST_CASE("a router's error about a masqueraded packet reaches the pod, from the router") {
  World world;
  const auto sent = world.udp(World::side_of(kPod1), kPod1, 40000, kOutside, 53);
  REQUIRE(sent.size() == 1);
  const test::Eth wire{kRouterMac, kUplinkMac};
  const Ipv4 router = test::ip("198.51.100.1");
  auto error =
      test::icmp_error_frame(wire, {router, kNodeA}, 3, 4, test::ip_of(sent[0].frame), 1400);
  const auto there = world.give(World::side_of(kOutside), error);
  REQUIRE(there.size() == 1);
  const Delivered got = World::read(there[0]);
  CHECK(got.how == "vf0");
  CHECK(got.packet.src == router);
  CHECK(got.packet.icmp_mtu == 1400);
  CHECK(got.packet.checksums_ok());
  const auto quoted = test::quoted_view(got.packet.payload);
  CHECK(quoted->src == kPod1);
  CHECK(quoted->src_port == 40000);
  // Damaged, or about nobody's packet: the kernel has its own copy.
  error[error.size() - 1] ^= 1;
  CHECK(world.give(World::side_of(kOutside), error).empty());
}

}  // namespace
}  // namespace sluice::slowpath
