// SPDX-License-Identifier: Apache-2.0
// What happens to packets for hostPorts, by interpreting the planned rules.
#include <doctest/doctest.h>

#include <algorithm>

#include "offload/planner/plan.h"
#include "tests/unit/offload/planner/node.h"

using namespace sluice;
using namespace sluice::model;
using namespace sluice::test;
using Fate = Verdict::Fate;

namespace {

constexpr std::uint16_t kPort = 8088;

Intent with_host_port(Ipv4 address = {}) {
  Intent intent = node_a();
  intent.attachments[0].host_ports = {HostPort{Proto::kTcp, kPort, 80, address}};
  return intent;
}

Verdict result(const Intent& intent, const Packet& packet) {
  std::string mistake;
  Verdict verdict = run(planner::plan(intent), packet, mistake);
  CHECK(mistake == "");
  return verdict;
}

Packet to_port(Packet packet, std::uint16_t port = kPort) {
  packet.l4_dst = port;
  return packet;
}

}  // namespace

TEST_CASE(
    "from outside: the mapped port is claimed, its neighbours and the other protocol aren't") {
  const auto intent = with_host_port();
  const Packet in = to_port(from_wire("203.0.113.9", "172.30.0.11"));
  const Verdict claimed = result(intent, in);
  CHECK(claimed.fate == Fate::kPunt);
  CHECK((claimed.packet.meta & meta::kOriginMask) == meta::kWire);
  CHECK(claimed.path.back().owner == "attachment/c1/eth0");
  CHECK(result(node_a(), in).fate == Fate::kDrop);
  CHECK(result(intent, to_port(in, kPort + 1)).fate == Fate::kDrop);
  Packet udp = in;
  udp.proto = Proto::kUdp;
  CHECK(result(intent, udp).fate == Fate::kDrop);
  // Under an address of the inside it stays forged.
  CHECK(result(intent, to_port(from_wire("10.244.1.10", "172.30.0.11"))).fate == Fate::kDrop);
}

TEST_CASE("from pods, here and on other nodes, to each of the node's addresses") {
  const auto intent = with_host_port();
  for (const char* own : {"172.30.0.11", "10.244.1.1"}) {
    CAPTURE(own);
    CHECK(result(intent, to_port(from_vf_pod(own))).fate == Fate::kPunt);
    CHECK(result(intent, to_port(from_tunnel("10.244.2.10", own))).fate == Fate::kPunt);
    // Another port of the node is the node's.
    CHECK(result(intent, to_port(from_vf_pod(own), kPort + 1)).port == PortId::host());
  }
  // Another node's own port of that number is not ours.
  CHECK(result(intent, to_port(from_vf_pod("172.30.0.12"))).port == PortId::uplink());
}

TEST_CASE("one address only") {
  const auto own = with_host_port(ip("172.30.0.11"));
  CHECK(result(own, to_port(from_wire("203.0.113.9", "172.30.0.11"))).fate == Fate::kPunt);
  CHECK(result(own, to_port(from_vf_pod("172.30.0.11"))).fate == Fate::kPunt);
  CHECK(result(own, to_port(from_vf_pod("10.244.1.1"))).port == PortId::host());

  const auto node0 = with_host_port(ip("10.244.1.1"));
  CHECK(result(node0, to_port(from_wire("203.0.113.9", "172.30.0.11"))).fate == Fate::kDrop);
  CHECK(result(node0, to_port(from_vf_pod("172.30.0.11"))).port == PortId::host());
  CHECK(result(node0, to_port(from_vf_pod("10.244.1.1"))).fate == Fate::kPunt);

  // The node's own business: no rule but those of the pod's port.
  const auto loopback = with_host_port(ip("127.0.0.1"));
  CHECK(result(loopback, to_port(from_wire("203.0.113.9", "172.30.0.11"))).fate == Fate::kDrop);
  CHECK(result(loopback, to_port(from_vf_pod("172.30.0.11"))).port == PortId::host());
}

TEST_CASE("the pod's answers are seen by the slow path") {
  Packet answer = from_vf_pod("10.244.1.12");
  answer.l4_src = 80;
  CHECK(result(with_host_port(), answer).fate == Fate::kPunt);
  CHECK(result(node_a(), answer).fate == Fate::kOutput);
}

TEST_CASE("step by step comes to the same as at once, and leaves nothing") {
  planner::Planner planner;
  (void)planner.update(node_a());
  const auto before = planner.program();
  (void)planner.update(with_host_port());
  CHECK(planner.program() == planner::plan(with_host_port()));
  (void)planner.update(with_host_port(ip("10.244.1.1")));
  CHECK(planner.program() == planner::plan(with_host_port(ip("10.244.1.1"))));
  (void)planner.update(node_a());
  CHECK(planner.program() == before);
}

TEST_CASE("a NodePort of the same number: one rule, the pod's") {
  auto intent = with_host_port();
  intent.services[0].ports[0].node_port = kPort;
  const Verdict claimed = result(intent, to_port(from_wire("203.0.113.9", "172.30.0.11")));
  CHECK(claimed.fate == Fate::kPunt);
  CHECK(claimed.path.back().owner == "attachment/c1/eth0");
}
