// SPDX-License-Identifier: Apache-2.0
// What happens to packets, by interpreting the planned rules.
#include <doctest/doctest.h>

#include "offload/planner/plan.h"
#include "tests/unit/offload/planner/node.h"

using namespace sluice;
using namespace sluice::model;
using namespace sluice::test;
using Fate = Verdict::Fate;

namespace {

class PlannedNode {
 public:
  explicit PlannedNode(const Intent& intent = node_a()) : program_(planner::plan(intent)) {}
  Verdict operator()(const Packet& packet, const std::vector<Rule>& flows = {}) const {
    std::string mistake;
    Verdict verdict = run(program_, packet, mistake, flows);
    CHECK(mistake == "");
    return verdict;
  }

 private:
  Program program_;
};

}  // namespace

TEST_CASE("a spoofed source is dropped, whichever part of it is false") {
  const PlannedNode node;
  CHECK(node(from_vf_pod("10.244.1.12")).fate == Fate::kOutput);
  Packet p = from_vf_pod("10.244.1.12");
  p.ip_src = ip("10.244.1.12");
  CHECK(node(p).fate == Fate::kDrop);
  p = from_vf_pod("10.244.1.12");
  p.eth_src = kVethPodMac;
  CHECK(node(p).fate == Fate::kDrop);
  p = from_vf_pod("10.244.1.12");
  p.in_port = PortId::host();
  CHECK(node(p).fate == Fate::kDrop);
  p = from_vf_pod("10.244.1.12");
  p.eth_type = 0x86dd;
  CHECK(node(p).fate == Fate::kDrop);
  // One pod behind the host port as another.
  p = from_vf_pod("10.244.1.10");
  p.in_port = PortId::host();
  p.eth_src = kVethPodMac;
  p.ip_src = ip("10.244.1.1");
  CHECK(node(p).fate == Fate::kDrop);
}

TEST_CASE("ARP of a known sender reaches the slow path, of nobody it does not") {
  const PlannedNode node;
  Packet p = from_vf_pod("0.0.0.0");
  p.eth_type = 0x0806;
  CHECK(node(p).fate == Fate::kPunt);
  p.eth_src = kPeerMac;
  CHECK(node(p).fate == Fate::kDrop);
  p = from_wire("0.0.0.0", "0.0.0.0");
  p.eth_type = 0x0806;  // the kernel's
  CHECK(node(p).fate == Fate::kDrop);
}

TEST_CASE("pod to pod on one node, both ways") {
  const PlannedNode node;
  Verdict v = node(from_vf_pod("10.244.1.12"));
  CHECK(v.fate == Fate::kOutput);
  CHECK(v.port == PortId::host());
  CHECK(v.packet.eth_src == kGatewayMac);
  CHECK(v.packet.eth_dst == kVethPodMac);
  CHECK(v.packet.ttl == 63);
  Packet back = from_vf_pod("10.244.1.10");
  back.in_port = PortId::host();
  back.eth_src = kVethPodMac;
  back.ip_src = ip("10.244.1.12");
  v = node(back);
  CHECK(v.port == PortId::vf(0));
  CHECK(v.packet.eth_dst == kVfPodMac);
}

TEST_CASE("a packet whose TTL ends is punted as it came") {
  const PlannedNode node;
  Packet p = from_vf_pod("10.244.1.12");
  p.ttl = 1;
  const Verdict v = node(p);
  CHECK(v.fate == Fate::kPunt);
  CHECK(v.packet.eth_src == kVfPodMac);
  CHECK(v.packet.ttl == 1);
}

TEST_CASE("the node and its pods reach each other") {
  const PlannedNode node;
  Verdict v = node(from_vf_pod("172.30.0.11"));
  CHECK(v.fate == Fate::kOutput);
  CHECK(v.port == PortId::host());
  CHECK(v.packet.eth_dst == kNode0Mac);
  Packet probe = from_vf_pod("10.244.1.10");
  probe.in_port = PortId::host();
  probe.eth_src = kNode0Mac;
  for (const char* source : {"10.244.1.1", "172.30.0.11"}) {
    probe.ip_src = ip(source);
    CHECK(node(probe).port == PortId::vf(0));
  }
  probe.ip_src = ip("10.0.0.1");
  CHECK(node(probe).fate == Fate::kDrop);
}

TEST_CASE("another node's pods and addresses are reached by the overlay") {
  const PlannedNode node;
  for (const char* to : {"10.244.2.77", "172.30.0.12"}) {
    const Verdict v = node(from_vf_pod(to));
    CHECK(v.fate == Fate::kOutput);
    CHECK(v.port == PortId::uplink());
    REQUIRE(v.packet.outer);
    CHECK(*v.packet.outer ==
          Packet::Outer{kUplinkMac, kPeerMac, ip("172.30.0.11"), ip("172.30.0.12"), 4242, 4789});
    CHECK(v.packet.eth_src == kGatewayMac);
    CHECK(v.packet.eth_dst == kGatewayMac);
  }
  Intent intent = node_a();
  intent.next_hops[0].resolved = false;
  CHECK(PlannedNode(intent)(from_vf_pod("10.244.2.77")).fate == Fate::kPunt);
}

TEST_CASE("overlay packets reach local pods, and go nowhere else") {
  const PlannedNode node;
  const Verdict v = node(from_tunnel("10.244.2.77", "10.244.1.10"));
  CHECK(v.fate == Fate::kOutput);
  CHECK(v.port == PortId::vf(0));
  CHECK_FALSE(v.packet.outer);
  CHECK((v.packet.meta & meta::kOriginMask) == meta::kTunnel);
  CHECK(node(from_tunnel("10.244.2.77", "10.244.1.99")).fate == Fate::kDrop);  // no such pod
  CHECK(node(from_tunnel("10.244.2.77", "10.244.2.1")).fate == Fate::kDrop);   // would loop
  CHECK(node(from_tunnel("10.244.2.77", "203.0.113.1")).fate == Fate::kDrop);  // no transit
  Packet other = from_tunnel("10.244.2.77", "10.244.1.10");
  other.outer->vni = 1;
  CHECK(node(other).fate == Fate::kDrop);
  other = from_tunnel("10.244.2.77", "10.244.1.10");
  other.outer->ip_dst = ip("172.30.0.99");
  CHECK(node(other).fate == Fate::kDrop);
}

TEST_CASE("a cluster IP is the slow path's, whatever the protocol") {
  const PlannedNode node;
  for (const Proto proto : {Proto::kTcp, Proto::kUdp, Proto::kIcmp}) {
    Packet p = from_vf_pod("10.96.0.10");
    p.proto = proto;
    const Verdict v = node(p);
    CHECK(v.fate == Fate::kPunt);
    CHECK(v.path.back().stage == Stage::kTrap);
    CHECK((v.packet.meta & meta::kOriginMask) == meta::kLocal);
  }
  CHECK(node(from_vf_pod("169.254.1.1")).path.back().stage == Stage::kTrap);
}

TEST_CASE("answers of an endpoint to a local pod are looked at, and what goes to it directly") {
  const PlannedNode node;
  Packet reply = from_tunnel("10.244.2.10", "10.244.1.12");
  reply.l4_src = 8080;
  CHECK(node(reply).fate == Fate::kPunt);
  reply.l4_src = 8081;
  CHECK(node(reply).fate == Fate::kOutput);
  Packet direct = from_vf_pod("10.244.2.10");
  direct.l4_dst = 8080;
  CHECK(node(direct).fate == Fate::kPunt);
  direct.proto = Proto::kUdp;
  CHECK(node(direct).fate == Fate::kOutput);
}

TEST_CASE("fragments are for the slow path, whoever they are for") {
  const PlannedNode node;
  for (const bool first : {true, false}) {
    Packet fragment = from_vf_pod("10.244.1.12");
    fragment.proto = Proto::kUdp;
    fragment.first_fragment = first;
    fragment.later_fragment = !first;
    const Verdict v = node(fragment);
    CHECK(v.fate == Fate::kPunt);
    CHECK(v.path.back().stage == Stage::kTrap);
  }
}

TEST_CASE("out of a tunnel comes IPv4 without a tag, and nothing else") {
  const PlannedNode node;
  Packet p = from_tunnel("10.244.2.77", "10.244.1.10");
  p.later_fragment = true;
  CHECK(node(p).fate == Fate::kPunt);
  p.tagged = true;
  CHECK(node(p).fate == Fate::kDrop);
  p.later_fragment = false;
  CHECK(node(p).fate == Fate::kDrop);
  for (const int type : {0x86dd, 0x0806, 0x88cc}) {
    p = from_tunnel("10.244.2.77", "10.244.1.10");
    p.eth_type = static_cast<std::uint16_t>(type);
    CHECK(node(p).fate == Fate::kDrop);
  }
}

TEST_CASE("a VLAN tag keeps everybody out") {
  const PlannedNode node;
  Packet arp = from_vf_pod("0.0.0.0");
  arp.eth_type = 0x0806;
  Packet to_node_port = from_wire("203.0.113.5", "172.30.0.11");
  to_node_port.l4_dst = 30080;
  Packet probe = from_vf_pod("10.244.1.10");
  probe.in_port = PortId::host();
  probe.eth_src = kNode0Mac;
  probe.ip_src = ip("10.244.1.1");
  Packet error = from_wire("203.0.113.5", "172.30.0.11");
  error.proto = Proto::kIcmp;
  error.icmp_type = 3;
  for (Packet p : {from_vf_pod("10.244.1.12"), arp, from_wire("203.0.113.5", "10.244.1.10"),
                   to_node_port, probe, error}) {
    CHECK(node(p).fate != Fate::kDrop);
    p.tagged = true;
    CHECK(node(p).fate == Fate::kDrop);
  }
  Packet tunnel = from_tunnel("10.244.2.77", "10.244.1.10");
  CHECK(node(tunnel).fate == Fate::kOutput);
  tunnel.outer->tagged = true;
  CHECK(node(tunnel).fate == Fate::kDrop);
}

TEST_CASE("nobody on the wire has an address of the cluster's inside") {
  const PlannedNode node;
  for (const char* inside : {"10.244.1.12", "10.244.1.1", "10.244.1.99", "10.244.2.10",
                             "172.30.0.11", "169.254.1.1", "10.96.0.10"}) {
    CAPTURE(inside);
    Packet p = from_wire(inside, "10.244.1.10");
    const Verdict v = node(p);
    CHECK(v.fate == Fate::kDrop);
    CHECK(v.path.back().priority == 15);
    p = from_wire(inside, "172.30.0.11");
    p.l4_dst = 30080;
    CHECK(node(p).fate == Fate::kDrop);
  }
  // Also while its node can't be reached.
  Intent intent = node_a();
  intent.next_hops.clear();
  CHECK(PlannedNode(intent)(from_wire("10.244.2.10", "10.244.1.10")).fate == Fate::kDrop);
  // Other nodes themselves are on the wire.
  CHECK(node(from_wire("172.30.0.12", "10.244.1.10")).fate == Fate::kOutput);
  // The outer source of a tunnel is no pod's, but it isn't looked at either.
  CHECK(node(from_tunnel("10.244.2.77", "10.244.1.10")).fate == Fate::kOutput);
}

TEST_CASE("the overlay brings nobody who is here") {
  const PlannedNode node;
  for (const char* inside :
       {"10.244.1.12", "10.244.1.1", "10.244.1.99", "172.30.0.11", "169.254.1.1", "10.96.0.10"}) {
    CAPTURE(inside);
    const Verdict v = node(from_tunnel(inside, "10.244.1.10"));
    CHECK(v.fate == Fate::kDrop);
    CHECK(v.path.back().stage == Stage::kTrap);
    CHECK(node(from_tunnel(inside, "10.96.0.10")).fate == Fate::kDrop);
  }
  CHECK(node(from_tunnel("172.30.0.12", "10.244.1.10")).fate == Fate::kOutput);
}

TEST_CASE("ICMP errors to local pods are looked at, other ICMP is not") {
  const PlannedNode node;
  for (Packet p : {from_tunnel("10.244.2.10", "10.244.1.12"), from_vf_pod("10.244.1.12"),
                   from_wire("203.0.113.5", "10.244.1.10")}) {
    p.proto = Proto::kIcmp;
    for (int type = 0; type < 256; ++type) {
      p.icmp_type = static_cast<std::uint8_t>(type);
      const bool error = type == 3 || type == 11 || type == 12;
      CHECK(node(p).fate == (error ? Fate::kPunt : Fate::kOutput));
    }
  }
}

TEST_CASE("a host-network endpoint is watched like any other") {
  Intent intent = node_a();
  intent.services[0].ports[0].endpoints.push_back(Endpoint{ip("172.30.0.11"), 6443, "node-a"});
  const PlannedNode node(intent);
  Packet reply = from_vf_pod("10.244.1.10");
  reply.in_port = PortId::host();
  reply.eth_src = kNode0Mac;
  reply.ip_src = ip("172.30.0.11");
  reply.l4_src = 6443;
  CHECK(node(reply).fate == Fate::kPunt);
  Packet direct = from_vf_pod("172.30.0.11");
  direct.l4_dst = 6443;
  CHECK(node(direct).fate == Fate::kPunt);
}

TEST_CASE("from the wire only what is claimed comes in") {
  const PlannedNode node;
  Packet p = from_wire("203.0.113.5", "172.30.0.11");
  p.l4_dst = 22;
  CHECK(node(p).fate == Fate::kDrop);  // the kernel has its own copy
  p.l4_dst = 30080;
  Verdict v = node(p);
  CHECK(v.fate == Fate::kPunt);
  CHECK((v.packet.meta & meta::kOriginMask) == meta::kWire);
  p.proto = Proto::kUdp;
  CHECK(node(p).fate == Fate::kDrop);  // a TCP NodePort
  for (const int port : {49152, 57343}) {
    p.l4_dst = static_cast<std::uint16_t>(port);
    CHECK(node(p).fate == Fate::kPunt);
  }
  for (const int port : {49151, 57344}) {
    p.l4_dst = static_cast<std::uint16_t>(port);
    CHECK(node(p).fate == Fate::kDrop);
  }
  p.proto = Proto::kIcmp;
  for (int type = 0; type < 256; ++type) {
    p.icmp_type = static_cast<std::uint8_t>(type);
    const bool ours = type == 0 || type == 3 || type == 11 || type == 12;
    CHECK(node(p).fate == (ours ? Fate::kPunt : Fate::kDrop));
  }
  p = from_wire("203.0.113.5", "10.244.1.10");
  CHECK(node(p).port == PortId::vf(0));
  p.eth_dst = kPeerMac;  // seen on a shared wire, not for us
  CHECK(node(p).fate == Fate::kDrop);
  CHECK(node(from_wire("203.0.113.5", "10.244.2.10")).fate == Fate::kDrop);
}

TEST_CASE("a local pod's packets to nobody and to the outside reach the slow path") {
  const PlannedNode node;
  Verdict v = node(from_vf_pod("10.244.1.99"));
  CHECK(v.fate == Fate::kPunt);
  CHECK(v.path.back().priority == 800);
  v = node(from_vf_pod("203.0.113.5"));
  CHECK(v.fate == Fate::kPunt);
  CHECK(v.path.back().priority == 900);
}

TEST_CASE("a connection's flow goes before the traps; its end does not use it") {
  const PlannedNode node;
  Rule flow;
  flow.stage = Stage::kConnection;
  flow.priority = 10;
  flow.match.proto = Proto::kTcp;
  flow.match.ip_src = Prefix4{ip("10.244.1.10"), 32};
  flow.match.ip_dst = Prefix4{ip("203.0.113.5"), 32};
  flow.match.l4_src = Masked<std::uint16_t>{40000, 0xffff};
  flow.match.l4_dst = Masked<std::uint16_t>{443, 0xffff};
  flow.match.tcp_flags = Masked<std::uint8_t>{0, kTcpFin | kTcpSyn | kTcpRst};
  flow.actions = {SetIpSrc{ip("172.30.0.11")}, SetL4Src{50000}, SetMeta{7, meta::kNextHopMask},
                  Count{}, Jump{Stage::kForward}};
  Packet p = from_vf_pod("203.0.113.5");
  p.l4_dst = 443;
  p.tcp_flags = 0x10;
  const Verdict v = node(p, {flow});
  CHECK(v.fate == Fate::kOutput);
  CHECK(v.port == PortId::uplink());
  CHECK(v.packet.ip_src == ip("172.30.0.11"));
  CHECK(v.packet.l4_src == 50000);
  CHECK(v.packet.eth_src == kUplinkMac);
  CHECK(v.packet.eth_dst == kPeerMac);
  CHECK_FALSE(v.packet.outer);
  p.tcp_flags = 0x11;
  CHECK(node(p, {flow}).fate == Fate::kPunt);
}
