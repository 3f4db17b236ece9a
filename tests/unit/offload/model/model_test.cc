// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "offload/model/flow_backend.h"
#include "offload/model/intent.h"
#include "offload/model/program.h"

using namespace sluice;
using namespace sluice::model;

namespace {

Rule rule_to(Ipv4 ip, std::uint16_t priority = 10) {
  Rule rule;
  rule.stage = Stage::kForward;
  rule.priority = priority;
  rule.match.ip_dst = Prefix4{ip, 32};
  rule.actions = {Count{}, Output{PortId::vf(1)}};
  rule.owner = "attachment/a";
  return rule;
}

}  // namespace

TEST_CASE("ports print and parse") {
  for (const PortId port :
       {PortId::uplink(), PortId::host(), PortId::vf(0), PortId::vf(29), PortId::vf(4095)}) {
    const auto back = PortId::parse(port.to_string());
    REQUIRE(back);
    CHECK(*back == port);
  }
  for (const char* text :
       {"", "vf", "vf-1", "vf01", "vf4096", "vf1 ", "VF1", "uplink0", "vf99999999999"}) {
    CAPTURE(text);
    const auto bad = PortId::parse(text);
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == Code::kInvalid);
    CHECK(bad.error().message.find("vf4095") != std::string::npos);
  }
}

TEST_CASE("a match prints its fields in a fixed order") {
  Match m;
  CHECK(m.to_string() == "any");
  m.in_port = PortId::vf(0);
  m.ip_dst = Prefix4{Ipv4{0x0a000000}, 24};
  m.proto = Proto::kTcp;
  m.l4_dst = Masked<std::uint16_t>{80, 0xffff};
  CHECK(m.to_string() == "in=vf0 ip_dst=10.0.0.0/24 tcp l4_dst=80");
  m.l4_dst = Masked<std::uint16_t>{0xc000, 0xc000};
  m.ip_dst = Prefix4{Ipv4{0x0a000001}, 32};
  m.tcp_flags = Masked<std::uint8_t>{0, 7};
  m.meta = Masked<std::uint32_t>{meta::kLocal, meta::kOriginMask};
  CHECK(m.to_string() ==
        "in=vf0 ip_dst=10.0.0.1 tcp l4_dst=49152/0xc000 tcp_flags=0x0/0x7 meta=0x10000/0xf0000");
  Match arp;
  arp.eth_type = 0x0806;
  CHECK(arp.to_string() == "arp");
  arp.untagged = true;
  CHECK(arp.to_string() == "arp untagged");
}

TEST_CASE("a rule prints stage, priority, match and actions") {
  Rule rule = rule_to(Ipv4{0x0a000001});
  rule.actions = {SetMeta{meta::kLocal}, VxlanDecap{}, DecTtl{}, Jump{Stage::kTrap}};
  CHECK(rule.to_string() == "forward 10 ip_dst=10.0.0.1 -> meta=0x10000 decap dec_ttl jump=trap");
}

TEST_CASE("hashes tell keys and contents apart, and nothing else") {
  const Rule rule = rule_to(Ipv4{1});
  Rule other = rule;
  other.owner = "someone";
  other.why = "because";
  CHECK(other.key_hash() == rule.key_hash());
  CHECK(other.content_hash() == rule.content_hash());
  other.actions = {Count{}, Output{PortId::vf(2)}};
  CHECK(other.key_hash() == rule.key_hash());
  CHECK(other.content_hash() != rule.content_hash());
  other = rule;
  other.priority = 11;
  CHECK(other.key_hash() != rule.key_hash());

  // The same number in another field is another key.
  std::set<std::uint64_t> hashes;
  std::vector<Match> matches(8);
  matches[0].ip_src = Prefix4{Ipv4{7}, 32};
  matches[1].ip_dst = Prefix4{Ipv4{7}, 32};
  matches[2].l4_src = Masked<std::uint16_t>{7, 0xffff};
  matches[3].l4_dst = Masked<std::uint16_t>{7, 0xffff};
  matches[4].tunnel_vni = 7;
  matches[5].untagged = true;
  matches[6].whole = true;
  for (const Match& match : matches) {
    Rule r = rule;
    r.match = match;
    hashes.insert(r.key_hash());
  }
  CHECK(hashes.size() == matches.size());
}

TEST_CASE("hashes are the same in every release: connection tables and cookies hold them") {
  const Rule rule = rule_to(Ipv4{0x0a000001});
  CHECK(rule.key_hash() == 0x27838ac5b1bbf845ULL);
  CHECK(rule.content_hash() == 0x98a2817040f4bcebULL);
}

TEST_CASE("diff finds what is removed, added and changed, and leads from one to the other") {
  const Rule a = rule_to(Ipv4{1});
  const Rule b = rule_to(Ipv4{2});
  const Rule c = rule_to(Ipv4{3});
  Rule b2 = b;
  b2.actions = {Drop{}};
  const Delta delta = diff(Program{{a, b}}, Program{{b2, c}});
  CHECK(delta.removed == std::vector<Rule>{a});
  CHECK(delta.added == std::vector<Rule>{c});
  REQUIRE(delta.changed.size() == 1);
  CHECK(delta.changed[0].before == b);
  CHECK(delta.changed[0].after == b2);
  CHECK(diff(Program{{a, b}}, Program{{a, b}}).empty());
  CHECK(diff(Program{}, Program{{a, b}}).added.size() == 2);
  CHECK(diff(Program{{a, b}}, Program{}).removed.size() == 2);
}

TEST_CASE("a node is found by name, and has the first address of its block") {
  Intent intent;
  intent.self = "b";
  intent.nodes = {Node{"a", Ipv4{1}, {Ipv4{0x0a000000}, 24}},
                  Node{"b", Ipv4{2}, {Ipv4{0x0a000100}, 24}}};
  CHECK(intent.self_node().address == Ipv4{2});
  CHECK(intent.self_node().node0() == Ipv4{0x0a000101});
  CHECK(intent.find_node("c") == nullptr);
}

TEST_CASE("hostPorts collide where one packet could be meant for both") {
  const Ipv4 own{1}, other{2};
  const HostPort all{Proto::kTcp, 80, 8080, {}}, one{Proto::kTcp, 80, 8081, own};
  CHECK(all.covers(own));
  CHECK(one.covers(own));
  CHECK_FALSE(one.covers(other));
  CHECK(all.collides(one));
  CHECK(one.collides(all));
  CHECK(all.collides(all));
  CHECK_FALSE(one.collides({Proto::kTcp, 80, 8081, other}));
  CHECK_FALSE(all.collides({Proto::kUdp, 80, 8080, {}}));
  CHECK_FALSE(all.collides({Proto::kTcp, 81, 8080, {}}));
  CHECK(all.to_string() == "tcp *:80");
  CHECK(one.to_string() == "tcp 0.0.0.1:80");
}

TEST_CASE("tiers, stages and protocols have names") {
  CHECK(to_string(Tier::kRefused) == "refused");
  CHECK(to_string(Stage::kIngress) == "ingress");
  CHECK(to_string(Proto::kUdp) == "udp");
}
