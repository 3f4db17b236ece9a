// SPDX-License-Identifier: Apache-2.0
// sluice-cni and a host that changes its VFs between their pods.
#include <doctest/doctest.h>

#include <string>

#include "tests/component/cni/cni_lab.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

void change_on_host(const CniLab& lab, const std::string& name, const netlink::LinkChange& change) {
  const auto found = lab.link(name);
  REQUIRE(found);
  REQUIRE(lab.rtnl().change_link(found->index, change));
  lab.hide_netdev(kVf0, name);
  lab.show_netdev(kVf0, name);
}

TEST_CASE("an MTU and a MAC that the host set between two pods are the second one's") {
  CniLab lab;
  const Pod first("c1"), second("c2");
  REQUIRE(lab.add(first, lab.plain(kVf0)).status == 0);
  REQUIRE(lab.call("DEL", first, lab.plain(kVf0)).status == 0);
  const auto mac = *MacAddr::parse("02:00:00:00:00:77");
  netlink::LinkChange change;
  change.mtu = 1400U;
  change.mac = mac;
  change_on_host(lab, "vf0", change);
  const auto added = lab.add(second, lab.plain(kVf0));
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(added.out["interfaces"][0]["mac"] == mac.to_string());
  CHECK(added.out["interfaces"][0]["mtu"] == 1400);
  CHECK(second.link("eth0")->mac == mac);
  CHECK(second.link("eth0")->mtu == 1400);
  REQUIRE(lab.call("DEL", second, lab.plain(kVf0)).status == 0);
  const auto home = lab.link("vf0");
  REQUIRE(home);
  CHECK(home->mac == mac);
  CHECK(home->mtu == 1400);
  lab.check_clean();
}

}  // namespace
}  // namespace sluice::testing
