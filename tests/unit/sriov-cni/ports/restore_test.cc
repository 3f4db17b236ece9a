// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/vf_restore.h"

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::cni;
using netlink::VfAttributes;

namespace {

const MacAddr kOwn = *MacAddr::parse("02:00:00:00:01:00");
const MacAddr kAsked = *MacAddr::parse("02:00:00:00:0a:01");

Record record_of(PortKind kind, const MacAddr& mac) {
  Record out;
  out.kind = kind;
  out.vf.emplace();
  out.vf->mac = kOwn;
  out.vf->attributes.mac = MacAddr{};
  out.mac = mac;
  return out;
}

}  // namespace

TEST_CASE("Only what was asked for goes back, and groups go as wholes") {
  VfAttributes home;
  home.vlan = std::uint16_t{7};
  home.qos = std::uint8_t{2};
  home.vlan_protocol = std::uint16_t{0x8100};
  home.spoof_check = true;
  home.trust = true;
  home.min_rate_mbps = 1U;
  home.max_rate_mbps = 100U;
  VfAttributes wish;
  wish.vlan = std::uint16_t{100};
  wish.max_rate_mbps = 500U;
  wish.spoof_check = false;
  const auto back = attributes_back(wish, home);
  auto expected = home;
  expected.trust.reset();
  CHECK(back.known == expected);
  CHECK(back.guessed.empty());
  CHECK_FALSE(back.mac_afterwards);
  CHECK(attributes_back(VfAttributes{}, home).known == VfAttributes{});
}

TEST_CASE("What the driver doesn't tell goes back to what drivers start with, each by itself") {
  VfAttributes wish;
  wish.vlan = std::uint16_t{100};
  wish.trust = true;
  wish.link_state = netlink::VfLinkState::kDisable;
  wish.min_rate_mbps = 5U;
  const auto back = attributes_back(wish, VfAttributes{});
  CHECK(back.known == VfAttributes{});
  REQUIRE(back.guessed.size() == 4);
  CHECK(back.guessed[0].vlan == 0);
  CHECK(back.guessed[1].min_rate_mbps == 0U);
  CHECK(back.guessed[1].max_rate_mbps == 0U);
  CHECK(back.guessed[2].link_state == netlink::VfLinkState::kAuto);
  CHECK(back.guessed[3].trust == false);
}

TEST_CASE("A VF without a GUID gets none back, not zero") {
  VfAttributes wish, home;
  wish.node_guid = wish.port_guid = 5U;
  home.node_guid = 0U;
  home.port_guid = 9U;
  const auto back = attributes_back(wish, home);
  CHECK(back.known.node_guid == ~std::uint64_t{0});
  CHECK(back.known.port_guid == 9U);
}

TEST_CASE("An administrative MAC is asked for by the wish, or by a MAC that isn't the VF's own") {
  CHECK_FALSE(asks_mac(record_of(PortKind::kNetdev, kOwn)));
  CHECK(asks_mac(record_of(PortKind::kNetdev, kAsked)));
  auto wished = record_of(PortKind::kNetdev, kOwn);
  wished.wish.mac = kOwn;
  CHECK(asks_mac(wished));
  auto infiniband = record_of(PortKind::kNetdev, kAsked);
  infiniband.vf->mac = MacAddr{};
  CHECK_FALSE(asks_mac(infiniband));
  CHECK(asks_mac(record_of(PortKind::kUserSpace, kAsked)));
  CHECK_FALSE(asks_mac(record_of(PortKind::kUserSpace, MacAddr{})));
}

TEST_CASE("The administrative MAC is cleared for the move, and set again when it was one") {
  auto record = record_of(PortKind::kNetdev, kAsked);
  auto back = attributes_back(record);
  CHECK(back.known.mac == MacAddr{});
  CHECK_FALSE(back.mac_afterwards);
  record.vf->attributes.mac = kOwn;
  back = attributes_back(record);
  CHECK(back.known.mac == MacAddr{});
  CHECK(back.mac_afterwards == kOwn);

  auto kept = record_of(PortKind::kNetdev, kOwn);
  kept.vf->attributes.mac = kOwn;
  CHECK(attributes_back(kept).known == VfAttributes{});
  CHECK_FALSE(attributes_back(kept).mac_afterwards);
  kept.vf->attributes.trust = true;  // it may have changed its MAC by itself
  CHECK(attributes_back(kept).mac_afterwards == kOwn);

  auto user_space = record_of(PortKind::kUserSpace, kAsked);
  CHECK(attributes_back(user_space).known.mac == MacAddr{});
  CHECK_FALSE(attributes_back(user_space).mac_afterwards);
}

TEST_CASE("Apart, each group is whole") {
  VfAttributes all;
  all.mac = kOwn;
  all.vlan = std::uint16_t{7};
  all.qos = std::uint8_t{1};
  all.min_rate_mbps = 0U;
  all.max_rate_mbps = 9U;
  all.trust = true;
  const auto parts = one_by_one(all);
  REQUIRE(parts.size() == 4);
  CHECK(parts[1].qos == 1);
  CHECK(parts[2].max_rate_mbps == 9U);
  CHECK(one_by_one({}).empty());
  auto now = all;
  now.trust = false;
  now.vlan.reset();  // not told
  CHECK(differing(all, now).trust == true);
  CHECK_FALSE(differing(all, now).vlan);
}

TEST_CASE("What was to be given back is so when every field is known, and the same") {
  VfAttributes wanted, now;
  CHECK(is_so(wanted, now));
  wanted.link_state = netlink::VfLinkState::kAuto;
  CHECK_FALSE(is_so(wanted, now));
  now.link_state = netlink::VfLinkState::kAuto;
  now.vlan = 100;
  CHECK(is_so(wanted, now));
  wanted.vlan = 0;
  CHECK_FALSE(is_so(wanted, now));
}
