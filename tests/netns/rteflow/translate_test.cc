// SPDX-License-Identifier: Apache-2.0
// Rules as rte_flow items and actions, field by field. Needs DPDK's headers, no EAL and no device.
#include <doctest/doctest.h>
#include <rte_byteorder.h>
#include <rte_flow.h>

#include <cstring>

#include "offload/backends/rteflow/translate.h"

using namespace sluice;
using namespace sluice::model;
using namespace sluice::rteflow;

namespace {

const EthPorts kPorts{
    3, "net_x0", {{PortId::uplink(), 3}, {PortId::host(), 4}, {PortId::vf(0), 5}}};
constexpr std::uint16_t kVxlanPort = 4790;

std::vector<int> kinds(const rte_flow_item* item) {
  std::vector<int> out;
  for (; item->type != RTE_FLOW_ITEM_TYPE_END; ++item) out.push_back(item->type);
  return out;
}
std::vector<int> kinds(const rte_flow_action* action) {
  std::vector<int> out;
  for (; action->type != RTE_FLOW_ACTION_TYPE_END; ++action) out.push_back(action->type);
  return out;
}

template <class T>
const T& spec(const rte_flow_item* items, std::size_t i) {
  return *static_cast<const T*>(items[i].spec);
}
template <class T>
const T& mask(const rte_flow_item* items, std::size_t i) {
  return *static_cast<const T*>(items[i].mask);
}
template <class T>
const T& conf(const rte_flow_action* actions, std::size_t i) {
  return *static_cast<const T*>(actions[i].conf);
}

Rule rule_with(std::vector<Action> actions) {
  Rule rule;
  rule.stage = Stage::kTrap;
  rule.priority = 20;
  rule.actions = std::move(actions);
  return rule;
}

}  // namespace

TEST_CASE("attributes: group, doubled priority with parity, transfer") {
  Translation t;
  Rule rule = rule_with({Drop{}});
  REQUIRE(t.translate(rule, kPorts, kVxlanPort, 0));
  CHECK(t.attr().group == 2);
  CHECK(t.attr().priority == 40);
  CHECK(t.attr().transfer == 1);
  CHECK(t.attr().ingress == 0);
  CHECK(kinds(t.items()).empty());
  REQUIRE(t.translate(rule, kPorts, kVxlanPort, 1));
  CHECK(t.attr().priority == 41);
  rule.priority = Rule::kMaxPriority;
  REQUIRE(t.translate(rule, kPorts, kVxlanPort, 1));
  CHECK(t.attr().priority == 2001);
}

TEST_CASE("a TCP match with port, addresses, flags and meta") {
  Rule rule = rule_with({Count{}, Punt{}});
  rule.match.in_port = PortId::vf(0);
  rule.match.meta = Masked<std::uint32_t>{meta::kLocal | 7, meta::kOriginMask};
  rule.match.eth_src = MacAddr{{2, 1, 2, 3, 4, 5}};
  rule.match.ip_src = Prefix4{Ipv4{0x0af40100}, 24};
  rule.match.ip_dst = Prefix4{Ipv4{0x0a600010}, 32};
  rule.match.proto = Proto::kTcp;
  rule.match.l4_dst = Masked<std::uint16_t>{0xc001, 0xe000};
  rule.match.tcp_flags = Masked<std::uint8_t>{0, kTcpFin | kTcpSyn | kTcpRst};
  Translation t;
  REQUIRE(t.translate(rule, kPorts, kVxlanPort, 0));
  CHECK(t.counts());
  const auto* items = t.items();
  REQUIRE(kinds(items) == std::vector<int>{RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT,
                                           RTE_FLOW_ITEM_TYPE_META, RTE_FLOW_ITEM_TYPE_ETH,
                                           RTE_FLOW_ITEM_TYPE_IPV4, RTE_FLOW_ITEM_TYPE_TCP});
  CHECK(spec<rte_flow_item_ethdev>(items, 0).port_id == 5);
  CHECK(mask<rte_flow_item_ethdev>(items, 0).port_id == 0xffff);
  CHECK(spec<rte_flow_item_meta>(items, 1).data == meta::kLocal);
  CHECK(mask<rte_flow_item_meta>(items, 1).data == meta::kOriginMask);
  CHECK(std::memcmp(spec<rte_flow_item_eth>(items, 2).src.addr_bytes, "\x02\x01\x02\x03\x04\x05",
                    6) == 0);
  CHECK(mask<rte_flow_item_eth>(items, 2).dst.addr_bytes[0] == 0);
  const auto& ip = spec<rte_flow_item_ipv4>(items, 3).hdr;
  const auto& ip_mask = mask<rte_flow_item_ipv4>(items, 3).hdr;
  CHECK(ip.src_addr == rte_cpu_to_be_32(0x0af40100));
  CHECK(ip_mask.src_addr == rte_cpu_to_be_32(0xffffff00));
  CHECK(ip_mask.dst_addr == 0xffffffff);
  CHECK(ip.next_proto_id == 6);
  CHECK(ip_mask.next_proto_id == 0xff);
  CHECK(ip_mask.fragment_offset == 0);
  CHECK(spec<rte_flow_item_tcp>(items, 4).hdr.dst_port == rte_cpu_to_be_16(0xc000));
  CHECK(mask<rte_flow_item_tcp>(items, 4).hdr.dst_port == rte_cpu_to_be_16(0xe000));
  CHECK(mask<rte_flow_item_tcp>(items, 4).hdr.src_port == 0);
  CHECK(mask<rte_flow_item_tcp>(items, 4).hdr.tcp_flags == 7);
  REQUIRE(kinds(t.actions()) ==
          std::vector<int>{RTE_FLOW_ACTION_TYPE_COUNT, RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR});
  CHECK(conf<rte_flow_action_ethdev>(t.actions(), 1).port_id == 0xffff);
}

TEST_CASE("a whole packet has neither an offset nor more fragments; DF does not matter") {
  Rule rule = rule_with({Punt{}});
  rule.match.whole = true;
  Translation t;
  REQUIRE(t.translate(rule, kPorts, kVxlanPort, 0));
  REQUIRE(kinds(t.items()) == std::vector<int>{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV4});
  CHECK(mask<rte_flow_item_ipv4>(t.items(), 1).hdr.fragment_offset == rte_cpu_to_be_16(0x3fff));
  CHECK(spec<rte_flow_item_ipv4>(t.items(), 1).hdr.fragment_offset == 0);
}

TEST_CASE("an untagged packet: the Ethernet header says that no VLAN tag follows") {
  Rule rule = rule_with({Punt{}});
  rule.match.untagged = true;
  Translation t;
  REQUIRE(t.translate(rule, kPorts, kVxlanPort, 0));
  REQUIRE(kinds(t.items()) == std::vector<int>{RTE_FLOW_ITEM_TYPE_ETH});
  CHECK(mask<rte_flow_item_eth>(t.items(), 0).has_vlan == 1);
  CHECK(spec<rte_flow_item_eth>(t.items(), 0).has_vlan == 0);
}

TEST_CASE("a tunnel is matched by its outer header") {
  Rule rule = rule_with({SetMeta{meta::kTunnel}, VxlanDecap{}, Jump{Stage::kConnection}});
  rule.stage = Stage::kIngress;
  rule.match.in_port = PortId::uplink();
  rule.match.tunnel_vni = 0x123456;
  rule.match.ip_dst = Prefix4{Ipv4{0xac1e000b}, 32};
  Translation t;
  REQUIRE(t.translate(rule, kPorts, kVxlanPort, 0));
  const auto* items = t.items();
  REQUIRE(kinds(items) == std::vector<int>{RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT,
                                           RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV4,
                                           RTE_FLOW_ITEM_TYPE_UDP, RTE_FLOW_ITEM_TYPE_VXLAN});
  CHECK(spec<rte_flow_item_ethdev>(items, 0).port_id == 3);
  CHECK(spec<rte_flow_item_udp>(items, 3).hdr.dst_port == rte_cpu_to_be_16(kVxlanPort));
  CHECK(std::memcmp(spec<rte_flow_item_vxlan>(items, 4).vni, "\x12\x34\x56", 3) == 0);
  CHECK(std::memcmp(mask<rte_flow_item_vxlan>(items, 4).vni, "\xff\xff\xff", 3) == 0);
  REQUIRE(kinds(t.actions()) == std::vector<int>{RTE_FLOW_ACTION_TYPE_SET_META,
                                                 RTE_FLOW_ACTION_TYPE_VXLAN_DECAP,
                                                 RTE_FLOW_ACTION_TYPE_JUMP});
  CHECK(conf<rte_flow_action_set_meta>(t.actions(), 0).data == meta::kTunnel);
  CHECK(conf<rte_flow_action_set_meta>(t.actions(), 0).mask == 0xffffffff);
  CHECK(conf<rte_flow_action_jump>(t.actions(), 2).group == 1);
}

TEST_CASE("rewrites and encapsulation carry their values, in order") {
  const VxlanEncap encap{
      MacAddr{{2, 0, 0, 0, 0, 1}}, MacAddr{{2, 0, 0, 0, 0, 2}}, Ipv4{1}, Ipv4{2}, 4242, 4789};
  const Rule rule =
      rule_with({SetIpSrc{Ipv4{5}}, SetIpDst{Ipv4{6}}, SetL4Src{7}, SetL4Dst{8}, DecTtl{},
                 SetEthSrc{MacAddr{{2, 0, 0, 0, 0, 9}}}, SetEthDst{MacAddr{{2, 0, 0, 0, 0, 10}}},
                 encap, Output{PortId::host()}});
  Translation t;
  REQUIRE(t.translate(rule, kPorts, kVxlanPort, 0));
  CHECK_FALSE(t.counts());
  const auto* actions = t.actions();
  REQUIRE(kinds(actions) ==
          std::vector<int>{RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC, RTE_FLOW_ACTION_TYPE_SET_IPV4_DST,
                           RTE_FLOW_ACTION_TYPE_SET_TP_SRC, RTE_FLOW_ACTION_TYPE_SET_TP_DST,
                           RTE_FLOW_ACTION_TYPE_DEC_TTL, RTE_FLOW_ACTION_TYPE_SET_MAC_SRC,
                           RTE_FLOW_ACTION_TYPE_SET_MAC_DST, RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP,
                           RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT});
  CHECK(conf<rte_flow_action_set_ipv4>(actions, 0).ipv4_addr == rte_cpu_to_be_32(5));
  CHECK(conf<rte_flow_action_set_ipv4>(actions, 1).ipv4_addr == rte_cpu_to_be_32(6));
  CHECK(conf<rte_flow_action_set_tp>(actions, 2).port == rte_cpu_to_be_16(7));
  CHECK(conf<rte_flow_action_set_tp>(actions, 3).port == rte_cpu_to_be_16(8));
  CHECK(conf<rte_flow_action_set_mac>(actions, 5).mac_addr[5] == 9);
  CHECK(conf<rte_flow_action_set_mac>(actions, 6).mac_addr[5] == 10);
  CHECK(conf<rte_flow_action_ethdev>(actions, 8).port_id == 4);
  const auto* outer = conf<rte_flow_action_vxlan_encap>(actions, 7).definition;
  REQUIRE(kinds(outer) == std::vector<int>{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV4,
                                           RTE_FLOW_ITEM_TYPE_UDP, RTE_FLOW_ITEM_TYPE_VXLAN});
  CHECK(spec<rte_flow_item_ipv4>(outer, 1).hdr.src_addr == rte_cpu_to_be_32(1));
  CHECK(spec<rte_flow_item_ipv4>(outer, 1).hdr.time_to_live == 64);
  CHECK(spec<rte_flow_item_udp>(outer, 2).hdr.dst_port == rte_cpu_to_be_16(4789));
  CHECK(spec<rte_flow_item_vxlan>(outer, 3).flags == 0x08);
  CHECK(std::memcmp(spec<rte_flow_item_vxlan>(outer, 3).vni, "\x00\x10\x92", 3) == 0);
}

TEST_CASE("ARP and ICMP") {
  Rule arp = rule_with({Punt{}});
  arp.match.eth_type = 0x0806;
  Translation t;
  REQUIRE(t.translate(arp, kPorts, kVxlanPort, 0));
  REQUIRE(kinds(t.items()) == std::vector<int>{RTE_FLOW_ITEM_TYPE_ETH});
  CHECK(spec<rte_flow_item_eth>(t.items(), 0).type == rte_cpu_to_be_16(0x0806));
  Rule icmp = rule_with({Punt{}});
  icmp.match.proto = Proto::kIcmp;
  icmp.match.icmp_type = 3;
  REQUIRE(t.translate(icmp, kPorts, kVxlanPort, 0));
  REQUIRE(kinds(t.items()) == std::vector<int>{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV4,
                                               RTE_FLOW_ITEM_TYPE_ICMP});
  CHECK(spec<rte_flow_item_icmp>(t.items(), 2).hdr.icmp_type == 3);
  CHECK(mask<rte_flow_item_icmp>(t.items(), 2).hdr.icmp_type == 0xff);
  CHECK(mask<rte_flow_item_icmp>(t.items(), 2).hdr.icmp_code == 0);
}

TEST_CASE("what can't be said is refused before the driver sees it") {
  Translation t;
  const auto refuse = [&](const Rule& rule, const char* words) {
    const auto status = t.translate(rule, kPorts, kVxlanPort, 0);
    REQUIRE_FALSE(status);
    CHECK(status.error().code == Code::kInvalid);
    CHECK(status.error().message.find(words) != std::string::npos);
  };
  Rule rule = rule_with({Drop{}});
  rule.match.l4_dst = Masked<std::uint16_t>{80, 0xffff};
  refuse(rule, "need proto");
  rule.match.proto = Proto::kIcmp;
  refuse(rule, "need proto");
  rule.match.proto = Proto::kUdp;
  rule.match.tcp_flags = Masked<std::uint8_t>{2, 2};
  refuse(rule, "TCP flags");
  rule = rule_with({Drop{}});
  rule.match.icmp_type = 3;
  refuse(rule, "icmp_type needs proto icmp");
  rule = rule_with({Output{PortId::vf(9)}});
  refuse(rule, "no port vf9");
  rule = rule_with({SetIpSrc{Ipv4{1}}, SetIpSrc{Ipv4{2}}, Drop{}});
  refuse(rule, "twice");
  // What was refused leaves nothing behind.
  REQUIRE(t.translate(rule_with({Drop{}}), kPorts, kVxlanPort, 0));
  CHECK(kinds(t.items()).empty());
}
