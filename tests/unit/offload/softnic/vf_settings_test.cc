// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/vf_settings.h"

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::softnic;

namespace {

netlink::VfAttributes everything() {
  netlink::VfAttributes change;
  change.mac = MacAddr{{2, 0, 0, 0, 0, 1}};
  change.vlan = 4094;
  change.qos = 7;
  change.vlan_protocol = 0x88a8;
  change.spoof_check = false;
  change.trust = true;
  change.rss_query = true;
  change.link_state = netlink::VfLinkState::kDisable;
  change.min_rate_mbps = 10;
  change.max_rate_mbps = 4294967295;
  return change;
}

}  // namespace

TEST_CASE("a fresh VF is as a driver makes it, and what isn't set stays") {
  const VfSettings fresh;
  CHECK(fresh.mac.is_zero());
  CHECK(fresh.vlan == 0);
  CHECK(fresh.vlan_protocol == 0x8100);
  CHECK(fresh.spoof_check);
  CHECK_FALSE(fresh.trust);
  CHECK(fresh.link_state == netlink::VfLinkState::kAuto);
  const auto all = changed(fresh, everything());
  REQUIRE(all);
  CHECK(all->vlan == 4094);
  CHECK(changed(*all, {}).value() == *all);
  netlink::VfAttributes one;
  one.vlan = 5;
  const auto after = changed(*all, one);
  REQUIRE(after);
  CHECK(after->vlan == 5);
  CHECK(after->qos == 7);
}

TEST_CASE("what no VF can have is refused by name") {
  const auto refused = [](auto spoil, const char* word) {
    netlink::VfAttributes change;
    spoil(change);
    const auto after = changed(VfSettings{}, change);
    REQUIRE_FALSE(after);
    CHECK(after.error().code == Code::kInvalid);
    CHECK(after.error().message.find(word) != std::string::npos);
  };
  refused([](auto& c) { c.vlan = 4095; }, "vlan 4095");
  refused([](auto& c) { c.qos = 8; }, "qos 8");
  refused([](auto& c) { c.vlan_protocol = 0x0800; }, "vlan_protocol 2048");
  refused([](auto& c) { c.mac = MacAddr{{1, 0, 0, 0, 0, 1}}; }, "unicast");
  refused(
      [](auto& c) {
        c.min_rate_mbps = 11;
        c.max_rate_mbps = 10;
      },
      "min_rate_mbps 11");
}

TEST_CASE("kept as text and read again; the longest fits into a netdev's alias") {
  const auto all = changed(VfSettings{}, everything()).value();
  CHECK(settings_from(to_text(all)) == all);
  CHECK(settings_from(to_text(VfSettings{})) == VfSettings{});
  CHECK(to_text(all).size() < 256);
  CHECK(settings_from("admin_mac=02:00:00:00:00:01").mac == MacAddr{{2, 0, 0, 0, 0, 1}});
}

TEST_CASE("a text that somebody else wrote leaves the defaults") {
  for (const char* text :
       {"", "uplink to the lab", "admin_mac=junk vlan=x qos=", "vlan=4095",
        "= =", "link_state=3 spoof_check=2 vlan=99999999999", "vlan_protocol=1"}) {
    CAPTURE(text);
    CHECK(settings_from(text) == VfSettings{});
  }
}
