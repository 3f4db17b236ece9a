// SPDX-License-Identifier: Apache-2.0
// Every row of ARCHITECTURE.md's tables, as the one rule that it stands for.
#include <doctest/doctest.h>

#include <algorithm>

#include "offload/planner/plan.h"
#include "tests/unit/offload/planner/node.h"

using namespace sluice;
using namespace sluice::model;
using namespace sluice::test;

namespace {

std::vector<std::string> lines(const Program& program) {
  std::vector<std::string> out;
  for (const Rule& rule : program.rules) out.push_back(rule.to_string());
  return out;
}

}  // namespace

TEST_CASE("the whole program of a node, row by row") {
  const std::string gw = kGatewayMac.to_string();
  const std::string up = kUplinkMac.to_string();
  const std::string n0 = kNode0Mac.to_string();
  const std::string vf = kVfPodMac.to_string();
  const std::string veth = kVethPodMac.to_string();
  const std::string peer = kPeerMac.to_string();
  const std::string wire = "in=uplink eth_dst=" + up + " untagged ip_dst=172.30.0.11";
  const std::string overlay = "count dec_ttl eth_src=" + gw + " eth_dst=" + gw +
                              " encap(vni=4242 to=172.30.0.12 from=172.30.0.11 via=" + peer +
                              ") output=uplink";
  const std::string to_node = " -> count dec_ttl eth_src=" + gw + " eth_dst=" + n0 + " output=host";
  std::vector<std::string> want = {
      "ingress 10 in=vf0 eth_src=" + vf +
          " untagged ip_src=10.244.1.10 -> meta=0x10000 jump=connection",
      "ingress 10 in=vf0 eth_src=" + vf + " arp untagged -> punt",
      "ingress 10 in=host eth_src=" + veth +
          " untagged ip_src=10.244.1.12 -> meta=0x10000 jump=connection",
      "ingress 10 in=host eth_src=" + veth + " arp untagged -> punt",
      "ingress 10 in=host eth_src=" + n0 +
          " untagged ip_src=10.244.1.1 -> meta=0x10000 jump=connection",
      "ingress 10 in=host eth_src=" + n0 +
          " untagged ip_src=172.30.0.11 -> meta=0x10000 jump=connection",
      "ingress 10 in=host eth_src=" + n0 + " arp untagged -> punt",
      "ingress 900 in=vf0 -> count drop",
      "ingress 900 in=host -> count drop",
      "ingress 10 in=uplink vni=4242 eth_dst=" + up +
          " untagged ip_dst=172.30.0.11 -> meta=0x20000 decap jump=connection",
      "ingress 20 " + wire + " tcp l4_dst=30080 -> meta=0x30000 jump=connection",
      "ingress 20 " + wire + " tcp l4_dst=49152/0xe000 -> meta=0x30000 jump=connection",
      "ingress 20 " + wire + " udp l4_dst=49152/0xe000 -> meta=0x30000 jump=connection",
      "ingress 20 " + wire + " icmp icmp_type=0 -> meta=0x30000 punt",
      "ingress 20 " + wire + " icmp icmp_type=3 -> meta=0x30000 punt",
      "ingress 20 " + wire + " icmp icmp_type=11 -> meta=0x30000 punt",
      "ingress 20 " + wire + " icmp icmp_type=12 -> meta=0x30000 punt",
      "ingress 20 in=uplink eth_dst=" + up +
          " untagged ip_dst=10.244.1.0/24 -> meta=0x30000 jump=connection",
      "ingress 15 in=uplink ip_src=10.244.1.0/24 -> count drop",
      "ingress 15 in=uplink ip_src=10.244.2.0/24 -> count drop",
      "ingress 15 in=uplink ip_src=172.30.0.11 -> count drop",
      "ingress 15 in=uplink ip_src=169.254.1.1 -> count drop",
      "ingress 15 in=uplink ip_src=10.96.0.10 -> count drop",
      "ingress 900 in=uplink -> count drop",
      "ingress 1000 any -> count drop",
      "connection 1000 any -> jump=trap",
      "trap 5 ip_src=10.244.1.0/24 meta=0x20000/0xf0000 -> count drop",
      "trap 5 ip_src=172.30.0.11 meta=0x20000/0xf0000 -> count drop",
      "trap 5 ip_src=169.254.1.1 meta=0x20000/0xf0000 -> count drop",
      "trap 5 ip_src=10.96.0.10 meta=0x20000/0xf0000 -> count drop",
      "trap 10 ip_dst=10.96.0.10 -> punt",
      "trap 10 ip_dst=172.30.0.11 tcp l4_dst=30080 -> punt",
      "trap 10 ip_dst=169.254.1.1 tcp l4_dst=30080 -> punt",
      "trap 10 ip_dst=172.30.0.11 tcp l4_dst=49152/0xe000 -> punt",
      "trap 10 ip_dst=172.30.0.11 udp l4_dst=49152/0xe000 -> punt",
      "trap 10 ip_dst=10.244.1.1 tcp l4_dst=49152/0xe000 -> punt",
      "trap 10 ip_dst=10.244.1.1 udp l4_dst=49152/0xe000 -> punt",
      "trap 10 ip_dst=169.254.1.1 -> punt",
      "trap 20 ip_src=10.244.1.10 ip_dst=10.244.1.0/24 tcp l4_src=8080 -> punt",
      "trap 20 ip_src=10.244.1.0/24 ip_dst=10.244.1.10 tcp l4_dst=8080 -> punt",
      "trap 20 ip_src=10.244.2.10 ip_dst=10.244.1.0/24 tcp l4_src=8080 -> punt",
      "trap 20 ip_src=10.244.1.0/24 ip_dst=10.244.2.10 tcp l4_dst=8080 -> punt",
      "trap 20 ip_dst=10.244.1.0/24 icmp icmp_type=3 -> punt",
      "trap 20 ip_dst=10.244.1.0/24 icmp icmp_type=11 -> punt",
      "trap 20 ip_dst=10.244.1.0/24 icmp icmp_type=12 -> punt",
      "trap 900 untagged whole -> jump=forward",
      "trap 950 eth_type=0x800 untagged -> punt",
      "trap 1000 any -> count drop",
      "forward 10 meta=0x7/0xffff -> count dec_ttl eth_src=" + up + " eth_dst=" + peer +
          " output=uplink",
      "forward 20 ip_dst=10.244.1.10 -> count dec_ttl eth_src=" + gw + " eth_dst=" + vf +
          " output=vf0",
      "forward 20 ip_dst=10.244.1.12 -> count dec_ttl eth_src=" + gw + " eth_dst=" + veth +
          " output=host",
      "forward 20 ip_dst=10.244.1.1" + to_node,
      "forward 20 ip_dst=172.30.0.11" + to_node,
      "forward 30 ip_dst=172.30.0.12 meta=0x10000/0xf0000 -> " + overlay,
      "forward 30 ip_dst=10.244.2.0/24 meta=0x10000/0xf0000 -> " + overlay,
      "forward 800 ip_dst=10.244.1.0/24 meta=0x10000/0xf0000 -> count punt",
      "forward 900 meta=0x10000/0xf0000 -> count punt",
      "forward 1000 any -> count drop",
  };
  std::vector<std::string> have = lines(planner::plan(node_a()));
  std::sort(want.begin(), want.end());
  std::sort(have.begin(), have.end());
  for (const auto& line : want) {
    CAPTURE(line);
    CHECK(std::binary_search(have.begin(), have.end(), line));
  }
  for (const auto& line : have) {
    CAPTURE(line);
    CHECK(std::binary_search(want.begin(), want.end(), line));
  }
  CHECK(have.size() == want.size());
}

TEST_CASE("every rule says whose it is and why") {
  for (const Rule& rule : planner::plan(node_a()).rules) {
    CAPTURE(rule.to_string());
    CHECK_FALSE(rule.owner.empty());
    CHECK(rule.why.size() > 5);
  }
  const Program program = planner::plan(node_a());
  const auto owns = [&](const char* owner) {
    return std::count_if(program.rules.begin(), program.rules.end(),
                         [&](const Rule& r) { return r.owner == owner; });
  };
  CHECK(owns("service/shop/web") == 3);
  CHECK(owns("service/shop/web:80/tcp") == 7);
  CHECK(owns("attachment/c1/eth0") == 4);
  CHECK(owns("attachment/c2/eth0") == 3);
  CHECK(owns("node/node-b") == 3);
  CHECK(owns("nexthop/172.30.0.12") == 1);
}

TEST_CASE("rules are sorted and no two have one key") {
  const Program program = planner::plan(node_a());
  CHECK(std::is_sorted(program.rules.begin(), program.rules.end()));
  for (std::size_t i = 1; i < program.rules.size(); ++i) {
    CHECK(program.rules[i - 1].key_hash() != program.rules[i].key_hash());
  }
}

TEST_CASE("the order of the intent's vectors does not matter") {
  Intent shuffled = node_a();
  std::reverse(shuffled.nodes.begin(), shuffled.nodes.end());
  std::reverse(shuffled.attachments.begin(), shuffled.attachments.end());
  std::reverse(shuffled.services[0].ports[0].endpoints.begin(),
               shuffled.services[0].ports[0].endpoints.end());
  CHECK(planner::plan(shuffled) == planner::plan(node_a()));
}

TEST_CASE("two services with one endpoint share its rules") {
  Intent intent = node_a();
  Service again = intent.services[0];
  again.name = "shop/web-local";
  again.cluster_ip = ip("10.96.0.11");
  again.ports[0].node_port = 0;
  intent.services.push_back(again);
  const Program program = planner::plan(intent);
  CHECK(program.rules.size() == planner::plan(node_a()).rules.size() + 3);  // its cluster IP
  std::reverse(intent.services.begin(), intent.services.end());
  CHECK(planner::plan(intent) == program);
}

TEST_CASE("a service without node port has none of its rules") {
  Intent intent = node_a();
  intent.services[0].ports[0].node_port = 0;
  for (const auto& line : lines(planner::plan(intent)))
    CHECK(line.find("30080") == std::string::npos);
}

TEST_CASE("an unresolved next hop has no rule, and its node none") {
  for (int variant = 0; variant < 4; ++variant) {
    CAPTURE(variant);
    Intent intent = node_a();
    if (variant == 0) intent.next_hops[0].resolved = false;
    if (variant == 1) intent.next_hops.clear();
    if (variant == 2) intent.outer_routes[0].next_hop = 8;
    if (variant == 3)
      intent.next_hops[0].id = intent.outer_routes[0].next_hop = 0x10007;  // would alias id 7
    const bool hop_known = variant == 2;
    for (const Rule& rule : planner::plan(intent).rules) {
      // Its block is the overlay's all the same.
      CHECK((rule.owner != "node/node-b" || rule.stage == Stage::kIngress));
      if (!hop_known) CHECK_FALSE(rule.owner.starts_with("nexthop/"));
    }
  }
  Intent intent = node_a();
  intent.outer_routes.clear();
  for (const Rule& rule : planner::plan(intent).rules) {
    CHECK((rule.owner != "node/node-b" || rule.stage == Stage::kIngress));
  }
}

TEST_CASE("a node whose block is everything forbids nobody") {
  Intent intent = node_a();
  intent.nodes[1].pod_cidr = {};
  for (const auto& line : lines(planner::plan(intent)))
    CHECK(line.find("in=uplink ip_src=0.0.0.0/0") == std::string::npos);
}

TEST_CASE("without a node of its own there is nothing to plan") {
  Intent intent = node_a();
  intent.self = "node-x";
  CHECK(planner::plan(intent).rules.empty());
  CHECK(planner::plan(Intent{}).rules.empty());
}
