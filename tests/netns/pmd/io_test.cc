// SPDX-License-Identifier: Apache-2.0
// Packets through the driver: forwarding, punts with META and interrupts, Tx, legs that come and
// go.
#include <doctest/doctest.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <thread>

#include "offload/pmd/net_esw.h"
#include "tests/netns/pmd/nic.h"

using namespace sluice;
using namespace sluice::test;

namespace {

const MacAddr kPodA = mac("02:00:00:00:00:0a"), kPodB = mac("02:00:00:00:00:0b"),
              kGateway = mac("02:00:00:00:00:01");
const Ipv4 kA = test::ip("10.0.0.10"), kB = test::ip("10.0.0.11"), kService = test::ip("10.96.0.1");

Frame to_service(std::string_view payload = "hello", std::uint8_t ttl = 64) {
  return tcp_frame({kPodA, kGateway}, {kA, kService, ttl}, 40000, 80, kTcpAckFlag, payload);
}

void add_dnat(Nic& nic) {
  Flow()
      .from(nic.ethdev(kVf0))
      .eth({}, {})
      .ip4({}, Prefix4{kService, 32})
      .tcp({}, std::uint16_t{80})
      .set_mac(RTE_FLOW_ACTION_TYPE_SET_MAC_SRC, kGateway)
      .set_mac(RTE_FLOW_ACTION_TYPE_SET_MAC_DST, kPodB)
      .set_ip(RTE_FLOW_ACTION_TYPE_SET_IPV4_DST, kB)
      .set_port(RTE_FLOW_ACTION_TYPE_SET_TP_DST, 8080)
      .dec_ttl()
      .count()
      .output(nic.ethdev(kVf1))
      .create(nic.ethdev(kUplink));
}

}  // namespace

TEST_CASE("a rule rewrites a packet and sends it out of another port") {
  Nic nic;
  add_dnat(nic);
  nic.arrive(kVf0, to_service());
  const auto out = nic.leaves(kVf1);
  REQUIRE(out);
  const auto v = view(out->bytes);
  REQUIRE(v);
  CHECK(v->eth_src == kGateway);
  CHECK(v->eth_dst == kPodB);
  CHECK(v->dst == kB);
  CHECK(v->dst_port == 8080);
  CHECK(v->ttl == 63);
  CHECK(v->checksums_ok());
}

TEST_CASE("a miss is punted to the in-port's representor and wakes its Rx interrupt") {
  Nic nic;
  const Frame frame = to_service();
  std::thread outside([&] { nic.wire(kVf1).push(frame); });
  const auto got = nic.punted(kVf1);
  outside.join();
  REQUIRE(got);
  CHECK(got->bytes == frame);
}

TEST_CASE("a punt delivers META, a packet without a set META delivers 0") {
  need_eal();
  REQUIRE(::rte_flow_dynf_metadata_register() == 0);
  Nic nic;
  Flow().from(nic.ethdev(kVf0)).set_meta(0x20001).jump(2).create(nic.ethdev(kUplink));
  Flow().group(2).meta(0x20000, 0xf0000).set_meta(0x5, 0xffff).punt().create(nic.ethdev(kUplink));
  nic.arrive(kVf0, to_service());
  const auto got = nic.punted(kVf0);
  REQUIRE(got);
  CHECK(got->meta == 0x20005U);
  nic.arrive(kVf1, to_service());
  const auto missed = nic.punted(kVf1);
  REQUIRE(missed);
  CHECK(missed->meta == 0U);
}

TEST_CASE("a packet whose TTL is used up is punted as it came") {
  Nic nic;
  add_dnat(nic);
  const Frame frame = to_service("x", 1);
  nic.arrive(kVf0, frame);
  const auto got = nic.punted(kVf0);
  REQUIRE(got);
  CHECK(got->bytes == frame);
}

TEST_CASE("what a representor sends leaves by its leg, however the datapath sleeps") {
  Nic nic;
  for (int i = 0; i < 200; ++i) {
    const Frame frame = to_service("n" + std::to_string(i));
    nic.send(kHost, frame);
    const auto out = nic.leaves(kHost);
    REQUIRE(out);
    CHECK(out->bytes == frame);
  }
  const auto counters = pmd::port_counters(nic.name(), kHost);
  REQUIRE(counters);
  CHECK(counters->tx_slow == 200);
  CHECK(counters->leg.tx_packets == 200);
}

TEST_CASE("no wake-up is lost between the wire and an application that sleeps") {
  Nic nic;
  constexpr int kFrames = 500;
  std::thread outside([&] {
    for (int i = 0; i < kFrames; ++i) {
      while (!nic.wire(kVf0).push(to_service(std::to_string(i)))) std::this_thread::yield();
    }
  });
  int got = 0;
  while (got < kFrames && nic.punted(kVf0)) ++got;
  outside.join();
  CHECK(got == kFrames);
}

TEST_CASE("a super-frame stays whole toward a leg with offloads and keeps its partial checksum") {
  Nic nic;
  Flow().from(nic.ethdev(kVf0)).output(nic.ethdev(kVf1)).create(nic.ethdev(kUplink));
  const Frame frame = to_service(std::string(5000, 'x'));
  const legs::Offload offload{true, 34, 16, legs::Gso::kTcp4, 1448};
  nic.arrive(kVf0, frame, offload);
  const auto out = nic.leaves(kVf1);
  REQUIRE(out);
  CHECK(out->bytes == frame);
  CHECK(out->offload.gso == legs::Gso::kTcp4);
  CHECK(out->offload.gso_size == 1448);
  CHECK(out->offload.partial_checksum);
}

TEST_CASE("a super-frame is cut for a representor and for a leg without offloads") {
  Nic nic("", true, false);
  nic.attach(kVf0, true);
  const std::string payload(4000, 'y');
  const legs::Offload offload{true, 34, 16, legs::Gso::kTcp4, 1448};
  bool leg = false;
  SUBCASE("representor") {}
  SUBCASE("leg") {
    leg = true;
    Flow().from(nic.ethdev(kVf0)).output(nic.ethdev(kVf1)).create(nic.ethdev(kUplink));
  }
  nic.arrive(kVf0, to_service(payload), offload);
  std::string joined;
  for (int i = 0; i < 3; ++i) {
    Frame bytes;
    if (leg) {
      auto out = nic.leaves(kVf1);
      REQUIRE(out);
      bytes = out->bytes;
    } else {
      auto out = nic.punted(kVf0);
      REQUIRE(out);
      bytes = out->bytes;
    }
    const auto v = view(bytes);
    REQUIRE(v);
    CHECK(v->checksums_ok());
    CHECK(bytes.size() <= 1514);
    CHECK(v->tcp_seq == 1000 + joined.size());
    joined.append(v->payload.begin(), v->payload.end());
  }
  CHECK(joined == payload);
}

TEST_CASE("a frame larger than an mbuf reaches the application in a chain") {
  Nic nic;
  const Frame frame = udp_frame({kPodA, kGateway}, {kA, kService}, 1, 2, std::string(9000, 'j'));
  nic.arrive(kVf0, frame);
  const auto got = nic.punted(kVf0);
  REQUIRE(got);
  CHECK(got->bytes == frame);
}

TEST_CASE("VXLAN goes out with the tunnel's headers and comes in without them") {
  Nic nic;
  const MacAddr here = mac("02:00:00:00:01:01"), there = mac("02:00:00:00:01:02");
  const Ipv4 node = test::ip("192.168.0.1"), other = test::ip("192.168.0.2");
  Flow()
      .from(nic.ethdev(kVf0))
      .encap({here, there}, node, other, 77)
      .output(nic.ethdev(kUplink))
      .create(nic.ethdev(kUplink));
  Flow()
      .from(nic.ethdev(kUplink))
      .eth({}, here)
      .ip4({}, Prefix4{node, 32})
      .udp({}, std::uint16_t{4789})
      .vxlan(77)
      .set_meta(0x20000)
      .decap()
      .jump(1)
      .create(nic.ethdev(kUplink));
  Flow()
      .group(1)
      .meta(0x20000, 0xf0000)
      .ip4({}, Prefix4{kB, 32})
      .output(nic.ethdev(kVf1))
      .create(nic.ethdev(kUplink));
  nic.arrive(kVf0, to_service());
  const auto out = nic.leaves(kUplink);
  REQUIRE(out);
  const auto outer = view(out->bytes);
  REQUIRE(outer);
  CHECK(outer->src == node);
  CHECK(outer->dst == other);
  CHECK(outer->checksums_ok());
  CHECK(outer->src_port >= 49152);
  const auto tunnel = vxlan_view(out->bytes);
  REQUIRE(tunnel);
  CHECK(tunnel->vni == 77);
  CHECK(tunnel->inner == to_service());

  const Frame inner = udp_frame({kPodA, kPodB}, {kA, kB}, 5, 6);
  nic.arrive(kUplink, vxlan_frame({there, here}, {other, node}, 77, inner));
  const auto in = nic.leaves(kVf1);
  REQUIRE(in);
  CHECK(in->bytes == inner);
}

TEST_CASE("legs are replaced and taken off while packets flow") {
  Nic nic;
  Flow().from(nic.ethdev(kVf0)).output(nic.ethdev(kVf1)).create(nic.ethdev(kUplink));
  for (int i = 0; i < 20; ++i) {
    nic.attach(kVf1);
    nic.arrive(kVf0, to_service());
    REQUIRE(nic.leaves(kVf1));
  }
  REQUIRE(pmd::detach_leg(nic.name(), kVf1));
  nic.arrive(kVf0, to_service());
  nic.settle(kHost);
  CHECK_FALSE(pmd::port_counters(nic.name(), kVf1)->attached);
  CHECK(pmd::attach_leg(nic.name(), 63, nullptr).error().code == Code::kInvalid);
  CHECK(pmd::detach_leg(nic.name(), 9).error().code == Code::kNotFound);
  CHECK(pmd::detach_leg("net_esw_none", 0).error().code == Code::kNotFound);
}

TEST_CASE("a leg whose far end is gone is taken off, and another can come") {
  Nic nic;
  nic.wire(kVf0).cut();
  for (;;) {  // ends by the test's timeout if it is never seen
    const auto c = pmd::port_counters(nic.name(), kVf0);
    REQUIRE(c);
    if (!c->attached) {
      CHECK_FALSE(c->alive);
      break;
    }
    std::this_thread::yield();
  }
  nic.attach(kVf0);
  CHECK(pmd::port_counters(nic.name(), kVf0)->alive);
  nic.arrive(kVf0, to_service());
  CHECK(nic.punted(kVf0));
}

TEST_CASE("rules survive a stop and start of the proxy") {
  Nic nic;
  add_dnat(nic);
  REQUIRE(::rte_eth_dev_stop(nic.ethdev(kUplink)) == 0);
  REQUIRE(::rte_eth_dev_start(nic.ethdev(kUplink)) == 0);
  nic.arrive(kVf0, to_service());
  CHECK(nic.leaves(kVf1));
}
