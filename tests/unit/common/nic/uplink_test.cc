// SPDX-License-Identifier: Apache-2.0
#include "common/nic/uplink.h"

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::nic;
using netlink::DefaultRoute;
using netlink::IfIndex;
using netlink::Link;

namespace {

Link link(std::uint32_t index, const char* name, const char* kind = "", std::uint32_t master = 0,
          std::uint32_t below = 0) {
  Link made;
  made.index.value = index;
  made.name = name;
  made.kind = kind;
  made.master.value = master;
  made.peer.value = below;
  return made;
}

DefaultRoute by(std::vector<std::uint32_t> links, bool ipv6 = false) {
  DefaultRoute route;
  route.ipv6 = ipv6;
  for (const auto index : links) route.links.push_back({index});
  return route;
}

}  // namespace

TEST_CASE("The uplink itself, of either family") {
  const std::vector<Link> links = {link(1, "lo"), link(2, "eth0"), link(3, "eth1")};
  CHECK(uplinks_of({}, links).empty());
  CHECK(uplinks_of({by({2})}, links) == Uplinks{{"eth0", "carries the default route"}});
  CHECK(uplinks_of({by({3}, true)}, links) == Uplinks{{"eth1", "carries the IPv6 default route"}});
  CHECK(uplinks_of({by({2, 3})}, links).size() == 2);  // multipath
  CHECK(uplinks_of({by({2}), by({3}, true)}, links).size() == 2);
  CHECK(uplinks_of({by({9})}, links).empty());  // gone meanwhile
  CHECK(uplinks_of({by({})}, links).empty());
}

TEST_CASE("Down through VLAN, bridge and bond") {
  const std::vector<Link> links = {
      link(2, "eth0", "", 10),         link(3, "eth1", "", 10),   link(4, "eth2"),
      link(10, "bond0", "bond", 12),   link(12, "br0", "bridge"), link(13, "veth9", "veth", 12, 99),
      link(14, "br0.7", "vlan", 0, 12)};
  const auto uplinks = uplinks_of({by({14})}, links);
  CHECK(uplinks == Uplinks{{"br0.7", "carries the default route"},
                           {"br0", "carries the default route by br0.7"},
                           {"veth9", "carries the default route by br0.7"},
                           {"bond0", "carries the default route by br0.7"},
                           {"eth0", "carries the default route by br0.7"},
                           {"eth1", "carries the default route by br0.7"}});
}

TEST_CASE("A veth's peer is no lower link, nor is a link of another namespace") {
  auto macvlan = link(5, "mv0", "macvlan", 0, 2);
  CHECK(uplinks_of({by({5})}, {link(2, "eth0"), macvlan}).size() == 2);
  macvlan.peer_netns = 0;
  CHECK(uplinks_of({by({5})}, {link(2, "eth0"), macvlan}).size() == 1);
  CHECK(uplinks_of({by({5})}, {link(2, "eth0"), link(5, "v", "veth", 0, 2)}).size() == 1);
}

TEST_CASE("An internal port of Open vSwitch stands for its datapath's ports") {
  const std::vector<Link> links = {link(2, "eth0", "", 20), link(3, "eth1"),
                                   link(20, "ovs-system", "openvswitch"),
                                   link(21, "br-ex", "openvswitch", 20)};
  const auto uplinks = uplinks_of({by({21})}, links);
  CHECK(uplinks.contains("eth0"));
  CHECK_FALSE(uplinks.contains("eth1"));
}

TEST_CASE("Links that stand on each other don't go on for ever") {
  const std::vector<Link> links = {link(2, "a", "x", 3, 3), link(3, "b", "x", 2, 2),
                                   link(4, "c", "x", 4, 4)};
  CHECK(uplinks_of({by({2}), by({4})}, links).size() == 3);
}
