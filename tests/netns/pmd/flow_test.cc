// SPDX-License-Identifier: Apache-2.0
// rte_flow on net_esw through librte_ethdev: what is refused and how, counters, ports.
#include <doctest/doctest.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <array>
#include <cstdio>
#include <functional>

#include "common/base/clock.h"
#include "tests/netns/pmd/nic.h"

using namespace sluice;
using namespace sluice::test;

namespace {

const MacAddr kMac = mac("02:00:00:00:00:0a");
const Ipv4 kIp = test::ip("10.0.0.10");

struct Refusal {
  const char* what;
  int code;
  rte_flow_error_type type;
  std::function<void(Flow&, Nic&)> build;
};

}  // namespace

TEST_CASE("validate says what it refuses, of which type, and why") {
  Nic nic("", false);
  const Refusal refusals[] = {
      {"no transfer", ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER,
       [](Flow& f, Nic&) { f.not_transfer().drop(); }},
      {"group", EINVAL, RTE_FLOW_ERROR_TYPE_ATTR_GROUP, [](Flow& f, Nic&) { f.group(16).drop(); }},
      {"priority", EINVAL, RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY,
       [](Flow& f, Nic&) { f.priority(65536).drop(); }},
      {"item", ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM,
       [](Flow& f, Nic&) { f.item(RTE_FLOW_ITEM_TYPE_IPV6).drop(); }},
      {"item of a representor", ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM,
       [](Flow& f, Nic&) { f.item(RTE_FLOW_ITEM_TYPE_PORT_REPRESENTOR).drop(); }},
      {"foreign port", EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
       [](Flow& f, Nic&) { f.from(31).drop(); }},
      {"TTL mask", ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
       [](Flow& f, Nic&) {
         rte_flow_item_ipv4 ttl{};
         ttl.hdr.time_to_live = 0xff;
         f.item(RTE_FLOW_ITEM_TYPE_IPV4, ttl, ttl).drop();
       }},
      {"TCP without IP", EINVAL, RTE_FLOW_ERROR_TYPE_ITEM,
       [](Flow& f, Nic&) { f.tcp({}, std::uint16_t{1}).drop(); }},
      {"VXLAN without UDP", EINVAL, RTE_FLOW_ERROR_TYPE_ITEM,
       [](Flow& f, Nic&) { f.ip4({}, {}).vxlan(1).drop(); }},
      {"no fate", EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, [](Flow& f, Nic&) { f.count(); }},
      {"two fates", EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, [](Flow& f, Nic&) { f.drop().punt(); }},
      {"jump back", EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
       [](Flow& f, Nic&) { f.group(3).jump(2); }},
      {"jump to itself", EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
       [](Flow& f, Nic&) { f.group(3).jump(3); }},
      {"jump too far", EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF, [](Flow& f, Nic&) { f.jump(16); }},
      {"output nowhere", EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
       [](Flow& f, Nic&) { f.output(30); }},
      {"action", ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
       [](Flow& f, Nic&) { f.action(RTE_FLOW_ACTION_TYPE_OF_POP_VLAN).drop(); }},
      {"rewrite behind the tunnel", ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
       [](Flow& f, Nic& n) {
         f.encap({kMac, kMac}, kIp, kIp, 1).dec_ttl().output(n.ethdev(kUplink));
       }},
      {"decap behind a rewrite", ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
       [](Flow& f, Nic& n) { f.dec_ttl().decap().output(n.ethdev(kUplink)); }},
      {"set without a value", EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
       [](Flow& f, Nic&) { f.action(RTE_FLOW_ACTION_TYPE_SET_IPV4_DST).drop(); }},
  };
  for (const Refusal& refusal : refusals) {
    INFO(refusal.what);
    Flow flow;
    refusal.build(flow, nic);
    rte_flow_error error{};
    CHECK(flow.validate(nic.ethdev(kUplink), error) == -refusal.code);
    CHECK(error.type == refusal.type);
    REQUIRE(error.message != nullptr);
    CHECK(error.message[0] != '\0');
    // What can't be validated can't be made either.
    CHECK(flow.create(nic.ethdev(kUplink), error) == nullptr);
    CHECK(rte_errno == refusal.code);
  }
}

TEST_CASE("rules go by the proxy; a second one with the same pattern is EEXIST") {
  Nic nic("", false);
  rte_flow_error error{};
  std::uint16_t proxy = 0xffff;
  REQUIRE(::rte_flow_pick_transfer_proxy(nic.ethdev(kVf1), &proxy, &error) == 0);
  CHECK(proxy == nic.ethdev(kUplink));
  CHECK(Flow().drop().create(nic.ethdev(kVf0), error) == nullptr);
  CHECK(error.type == RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER);

  const auto rule = [] { return Flow().ip4({}, Prefix4{kIp, 32}).drop(); };
  rte_flow* first = rule().create(proxy);
  CHECK(rule().create(proxy, error) == nullptr);
  CHECK(rte_errno == EEXIST);
  CHECK(rule().priority(1).create(proxy, error) != nullptr);
  REQUIRE(::rte_flow_destroy(proxy, first, &error) == 0);
  CHECK(::rte_flow_destroy(proxy, first, &error) == -ENOENT);
  CHECK(rule().create(proxy, error) != nullptr);
}

TEST_CASE("COUNT is queried and reset; a rule without it can't be") {
  Nic nic;
  rte_flow* counted =
      Flow().from(nic.ethdev(kVf0)).ip4({}, {}).count().drop().create(nic.ethdev(kUplink));
  rte_flow* plain = Flow().from(nic.ethdev(kVf1)).drop().create(nic.ethdev(kUplink));
  const Frame frame = udp_frame({kMac, kMac}, {kIp, kIp}, 1, 2);
  for (int i = 0; i < 7; ++i) nic.arrive(kVf0, frame);
  nic.settle(kVf0);
  Hits hits = query(nic.ethdev(kUplink), counted, true);
  CHECK(hits.packets == 7);
  CHECK(hits.bytes == 7 * frame.size());
  nic.arrive(kVf0, frame);
  nic.settle(kVf0);
  CHECK(query(nic.ethdev(kUplink), counted).packets == 1);

  const rte_flow_action count[] = {{RTE_FLOW_ACTION_TYPE_COUNT, nullptr},
                                   {RTE_FLOW_ACTION_TYPE_END, nullptr}};
  rte_flow_query_count data{};
  rte_flow_error error{};
  CHECK(::rte_flow_query(nic.ethdev(kUplink), plain, count, &data, &error) == -EINVAL);
}

TEST_CASE("flush and dump") {
  Nic nic;
  const std::uint16_t proxy = nic.ethdev(kUplink);
  for (std::uint16_t i = 0; i < 100; ++i) {
    Flow().ip4({}, Prefix4{Ipv4{kIp.value + i}, 32}).drop().create(proxy);
  }
  rte_flow_error error{};
  std::array<char, 4096> text{};
  FILE* file = ::fmemopen(text.data(), text.size() - 1, "w");
  REQUIRE(file != nullptr);
  CHECK(::rte_flow_dev_dump(proxy, nullptr, file, &error) == 0);
  ::fclose(file);
  CHECK(std::string(text.data()).find("group 0 priority 0 rules 100 ") != std::string::npos);
  REQUIRE(::rte_flow_flush(proxy, &error) == 0);
  nic.arrive(kVf0, udp_frame({kMac, kMac}, {kIp, kIp}, 1, 2));
  CHECK(nic.punted(kVf0));  // nobody drops it any more
}

TEST_CASE("ports: one switch domain, representors found by DPDK's own filter") {
  Nic nic("", false);
  rte_eth_dev_info uplink{};
  REQUIRE(::rte_eth_dev_info_get(nic.ethdev(kUplink), &uplink) == 0);
  const struct {
    std::uint16_t port;
    const char* filter;
  } cases[] = {{kHost, "class=eth,representor=pf0"},
               {kVf0, "class=eth,representor=vf0"},
               {kVf1, "class=eth,representor=vf1"}};
  for (const auto& c : cases) {
    rte_eth_dev_info info{};
    REQUIRE(::rte_eth_dev_info_get(nic.ethdev(c.port), &info) == 0);
    CHECK(info.switch_info.domain_id == uplink.switch_info.domain_id);
    CHECK(info.switch_info.port_id == c.port);
    rte_dev_iterator iterator{};
    REQUIRE(::rte_eth_iterator_init(&iterator, c.filter) == 0);
    CHECK(::rte_eth_iterator_next(&iterator) == nic.ethdev(c.port));
    ::rte_eth_iterator_cleanup(&iterator);
  }
  CHECK(uplink.switch_info.port_id == 0);
}

TEST_CASE("wrong device arguments are refused and leave nothing behind") {
  for (const char* args :
       {"representor=sf[0-1]", "host=2", "rules=many", "rules=99999999999", "leg=net_none0",
        "no_such=1", "representor=vf[62]", "host=0,leg=net_a,leg=net_b"}) {
    INFO(args);
    const std::string name = next_device_name();
    CHECK(plug(name, args) != 0);
    std::uint16_t id = 0;
    CHECK(::rte_eth_dev_get_port_by_name(name.c_str(), &id) != 0);
  }
  const std::string name = next_device_name();
  REQUIRE(plug(name, "host=0,representor=[3,5],rules=1000") == 0);
  std::uint16_t id = 0;
  CHECK(::rte_eth_dev_get_port_by_name((name + "_host").c_str(), &id) != 0);
  REQUIRE(::rte_eth_dev_get_port_by_name((name + "_representor_vf5").c_str(), &id) == 0);
  rte_eth_dev_info info{};
  REQUIRE(::rte_eth_dev_info_get(id, &info) == 0);
  CHECK(info.switch_info.port_id == 7);
  unplug(name);
  CHECK(::rte_eth_dev_get_port_by_name(name.c_str(), &id) != 0);
}

TEST_CASE("a million rules: a thousand of them, picked at random, do and count what they should") {
  constexpr std::uint32_t kRules = 1'000'000, kHits = 1'000;
  constexpr std::uint32_t kFirst = 0x0a000000;  // 10.0.0.0
  Nic nic(",rules=" + std::to_string(kRules));
  const std::uint16_t proxy = nic.ethdev(kUplink);
  std::vector<rte_flow*> flows(kRules);
  rte_flow_attr attr{};
  attr.transfer = 1;
  rte_flow_item_ipv4 spec{};
  rte_flow_item_ipv4 mask{};
  mask.hdr.dst_addr = 0xffffffff;
  const rte_flow_item items[] = {{RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr, nullptr},
                                 {RTE_FLOW_ITEM_TYPE_IPV4, &spec, nullptr, &mask},
                                 {RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr}};
  // The verdict tells the rules apart: each sets another destination and port of exit.
  rte_flow_action_set_ipv4 rewrite{};
  rte_flow_action_ethdev out{};
  const rte_flow_action actions[] = {{RTE_FLOW_ACTION_TYPE_SET_IPV4_DST, &rewrite},
                                     {RTE_FLOW_ACTION_TYPE_COUNT, nullptr},
                                     {RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT, &out},
                                     {RTE_FLOW_ACTION_TYPE_END, nullptr}};
  const auto target = [](std::uint32_t i) { return Ipv4{0xc0000000U + i * 7}; };
  const auto exit_port = [](std::uint32_t i) { return i % 2 == 0 ? kVf1 : kHost; };
  bool all = true;
  for (std::uint32_t i = 0; i < kRules; ++i) {
    spec.hdr.dst_addr = rte_cpu_to_be_32(kFirst + i);
    rewrite.ipv4_addr = rte_cpu_to_be_32(target(i).value);
    out.port_id = nic.ethdev(exit_port(i));
    flows[i] = ::rte_flow_create(proxy, &attr, items, actions, nullptr);
    all = all && flows[i] != nullptr;
  }
  REQUIRE(all);

  SeededRng rng(20);
  std::map<std::uint32_t, std::uint64_t> hits;
  for (std::uint32_t n = 0; n < kHits; ++n) {
    const auto i = static_cast<std::uint32_t>(rng.next() % kRules);
    ++hits[i];
    nic.arrive(kVf0, udp_frame({kMac, kMac}, {kIp, Ipv4{kFirst + i}}, 1, 2));
    const auto left = nic.leaves(exit_port(i));
    REQUIRE(left);
    const auto v = view(left->bytes);
    REQUIRE(v);
    REQUIRE(v->dst == target(i));
    REQUIRE(v->checksums_ok());
  }
  for (const auto& [i, count] : hits) CHECK(query(proxy, flows[i]).packets == count);
  // Their neighbours were not hit.
  for (const auto& [i, count] : hits) {
    const std::uint32_t next = (i + 1) % kRules;
    if (!hits.contains(next)) CHECK(query(proxy, flows[next]).packets == 0);
  }
  for (rte_flow* flow : flows) all = all && ::rte_flow_destroy(proxy, flow, nullptr) == 0;
  CHECK(all);
}
