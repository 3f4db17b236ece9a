// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/offload/slowpath/world.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace sluice::slowpath {

using namespace addresses;

Result<model::FlowHandle> FakeFlowSink::install(const model::Rule& rule) {
  ++asked;
  if (accept_next == 0) {
    return fail(Error{Code::kExhausted, Domain::kDpdk, 28, "table is full", {}, Retry::kLater});
  }
  if (accept_next > 0) --accept_next;
  rules.emplace(++last_, rule);
  return last_;
}

Status FakeFlowSink::remove(model::FlowHandle handle) {
  if (rules.erase(handle) == 0) return fail(Code::kNotFound, "no such flow");
  stats_.erase(handle);
  return {};
}

Result<model::FlowStats> FakeFlowSink::query(model::FlowHandle handle) {
  if (!rules.contains(handle)) return fail(Code::kNotFound, "no such flow");
  return stats_[handle];
}

const model::Rule* FakeFlowSink::rule_from(Ipv4 src) const {
  for (const auto& [handle, rule] : rules) {
    if (rule.match.ip_src == Prefix4{src, 32}) return &rule;
  }
  return nullptr;
}

void FakeFlowSink::hit(Ipv4 src, std::uint64_t packets) {
  for (const auto& [handle, rule] : rules) {
    if (rule.match.ip_src != Prefix4{src, 32}) continue;
    stats_[handle].packets += packets;
    stats_[handle].bytes += packets * 100;
  }
}

model::Intent cluster() {
  model::Intent intent;
  intent.self = "a";
  intent.gateway_ip = kGateway;
  intent.gateway_mac = kGatewayMac;
  intent.node0_mac = kNode0Mac;
  intent.uplink_mac = kUplinkMac;
  intent.vni = 77;
  intent.masquerade = kBlock;
  intent.nodes = {{"a", kNodeA, *Prefix4::parse("10.244.1.0/24")},
                  {"b", kNodeB, *Prefix4::parse("10.244.2.0/24")},
                  {"c", kNodeC, *Prefix4::parse("10.244.3.0/24")}};
  intent.attachments = {{"c1/eth0", "shop/p1", "eth0", model::PortId::vf(0),
                         test::mac("02:00:00:00:00:10"), kPod1, ""},
                        {"c2/eth0", "shop/p2", "eth0", model::PortId::vf(1),
                         test::mac("02:00:00:00:00:11"), kPod2, ""},
                        {"c3/eth0", "shop/p3", "eth0", model::PortId::host(),
                         test::mac("02:00:00:00:00:12"), kPod3, ""}};
  intent.next_hops = {{1, kNodeB, test::mac("02:00:00:00:02:01"), true},
                      {2, kNodeC, test::mac("02:00:00:00:02:02"), true},
                      {3, test::ip("192.168.0.254"), kRouterMac, true}};
  intent.outer_routes = {{kNodeB, 1}, {kNodeC, 2}, {kOutside, 3}, {kOutside2, 3}};
  return intent;
}

model::Endpoint endpoint(Ipv4 ip, std::uint16_t port) {
  model::Endpoint made{ip, port, "", true, true, false};
  const auto nodes = cluster().nodes;
  for (const auto& node : nodes) {
    if (node.address == ip || node.pod_cidr.contains(ip)) made.node = node.name;
  }
  return made;
}

model::Service web(std::vector<model::Endpoint> endpoints) {
  model::Service service;
  service.name = "shop/web";
  service.cluster_ip = kVip;
  std::sort(endpoints.begin(), endpoints.end());
  service.ports = {{"http", model::Proto::kTcp, kServicePort, kNodePort, endpoints},
                   {"dns", model::Proto::kUdp, kServicePort, kNodePort, endpoints}};
  return service;
}

World::World(model::Intent start, Options options)
    : intent(std::move(start)), slow(options, port, sink, clock, rng, Logger()) {
  slow.on_want_next_hop([this](Ipv4 ip) { wanted.push_back(ip); });
  apply();
}

void World::apply() {
  const auto taken = slow.set_intent(std::make_shared<const model::Intent>(intent));
  REQUIRE(taken.has_value());
}

void World::serve(std::vector<model::Endpoint> endpoints) {
  change([&](model::Intent& i) { i.services = {web(std::move(endpoints))}; });
}

Side World::side_of(Ipv4 ip) {
  const model::Intent now = cluster();
  for (const auto& pod : now.attachments) {
    if (pod.ip == ip) return {pod.port, model::meta::kLocal, pod.mac};
  }
  if (ip == kNodeA || ip == kNode0) return {model::PortId::host(), model::meta::kLocal, kNode0Mac};
  for (const auto& node : now.nodes) {
    if (node.address == ip || node.pod_cidr.contains(ip)) {
      return {model::PortId::uplink(), model::meta::kTunnel, kGatewayMac};
    }
  }
  return {model::PortId::uplink(), model::meta::kWire, kRouterMac};
}

std::vector<Sent> World::give(const Side& side, test::Frame frame) {
  port.sent.clear();
  slow.receive(side.port, side.meta, frame);
  return std::exchange(port.sent, {});
}

Delivered World::read(const Sent& sent) {
  test::Frame frame = sent.frame;
  std::string how = sent.port.to_string();
  if (const auto tunnelled = test::vxlan_view(frame)) {
    const auto outer = test::view(frame);
    REQUIRE(outer.has_value());
    CHECK(outer->ip_checksum_ok);
    CHECK(outer->src == kNodeA);
    CHECK(outer->ttl == 64);
    CHECK(outer->eth_src == kUplinkMac);
    CHECK(tunnelled->vni == 77);
    CHECK(sent.port == model::PortId::uplink());
    how = "tunnel " + outer->dst.to_string();
    frame = tunnelled->inner;
  } else if (sent.port == model::PortId::uplink()) {
    how = "wire";
  }
  const auto packet = test::view(frame);
  REQUIRE(packet.has_value());
  return {how, *packet};
}

std::vector<Sent> World::tcp(const Side& from, Ipv4 src, std::uint16_t sport, Ipv4 dst,
                             std::uint16_t dport, std::uint8_t flags, std::string_view payload) {
  return give(from,
              test::tcp_frame({from.mac, kGatewayMac}, {src, dst}, sport, dport, flags, payload));
}

std::vector<Sent> World::udp(const Side& from, Ipv4 src, std::uint16_t sport, Ipv4 dst,
                             std::uint16_t dport, std::string_view payload) {
  return give(from, test::udp_frame({from.mac, kGatewayMac}, {src, dst}, sport, dport, payload));
}

Delivered World::handshake(const Side& from, Ipv4 src, std::uint16_t sport, Ipv4 dst,
                           std::uint16_t dport) {
  const auto syn = tcp(from, src, sport, dst, dport, test::kTcpSynFlag);
  REQUIRE(syn.size() == 1);
  Delivered got = read(syn[0]);
  const auto& p = got.packet;
  const auto synack = tcp(side_of(p.dst), p.dst, p.dst_port, p.src, p.src_port,
                          test::kTcpSynFlag | test::kTcpAckFlag);
  REQUIRE(synack.size() == 1);
  REQUIRE(tcp(from, src, sport, dst, dport, test::kTcpAckFlag).size() == 1);
  return got;
}

}  // namespace sluice::slowpath
