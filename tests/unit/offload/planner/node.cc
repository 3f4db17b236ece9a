// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/offload/planner/node.h"

namespace sluice::test {

using namespace sluice::model;

Ipv4 ip(const char* text) { return Ipv4::parse(text).value(); }
MacAddr mac(const char* text) { return MacAddr::parse(text).value(); }

Intent node_a() {
  Intent intent;
  intent.self = "node-a";
  intent.gateway_ip = ip("169.254.1.1");
  intent.gateway_mac = kGatewayMac;
  intent.node0_mac = kNode0Mac;
  intent.uplink_mac = kUplinkMac;
  intent.vni = 4242;
  intent.masquerade = PortRange{49152, 57343};
  intent.nodes = {Node{"node-a", ip("172.30.0.11"), {ip("10.244.1.0"), 24}},
                  Node{"node-b", ip("172.30.0.12"), {ip("10.244.2.0"), 24}}};
  intent.attachments = {Attachment{"c1/eth0", "shop/web-0", "eth0", PortId::vf(0), kVfPodMac,
                                   ip("10.244.1.10"), "0000:01:00.1"},
                        Attachment{"c2/eth0", "shop/web-2", "eth0", PortId::host(), kVethPodMac,
                                   ip("10.244.1.12"), "slveth2"}};
  Service web;
  web.name = "shop/web";
  web.cluster_ip = ip("10.96.0.10");
  web.ports = {ServicePort{
      "http",
      Proto::kTcp,
      80,
      30080,
      {Endpoint{ip("10.244.1.10"), 8080, "node-a"}, Endpoint{ip("10.244.2.10"), 8080, "node-b"}}}};
  intent.services = {web};
  intent.next_hops = {NextHop{7, ip("172.30.0.12"), kPeerMac, true}};
  intent.outer_routes = {OuterRoute{ip("172.30.0.12"), 7}};
  return intent;
}

Packet from_vf_pod(const char* to) {
  Packet p;
  p.in_port = PortId::vf(0);
  p.eth_src = kVfPodMac;
  p.eth_dst = kGatewayMac;
  p.ip_src = ip("10.244.1.10");
  p.ip_dst = ip(to);
  p.l4_src = 40000;
  p.l4_dst = 9999;
  return p;
}

Packet from_wire(const char* from, const char* to) {
  Packet p;
  p.in_port = PortId::uplink();
  p.eth_src = kPeerMac;
  p.eth_dst = kUplinkMac;
  p.ip_src = ip(from);
  p.ip_dst = ip(to);
  p.l4_src = 40000;
  p.l4_dst = 9999;
  return p;
}

Packet from_tunnel(const char* from, const char* to) {
  Packet p = from_wire(from, to);
  p.eth_src = p.eth_dst = kGatewayMac;
  p.outer = Packet::Outer{kPeerMac, kUplinkMac, ip("172.30.0.12"), ip("172.30.0.11"), 4242, 4789};
  return p;
}

}  // namespace sluice::test
