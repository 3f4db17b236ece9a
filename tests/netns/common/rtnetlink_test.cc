// SPDX-License-Identifier: Apache-2.0
// Rtnl against the kernel, in anonymous namespaces: nothing to clean up, nothing of the host's.
#include "common/netlink/rtnetlink.h"

#include <doctest/doctest.h>
#include <linux/neighbour.h>

#include <algorithm>

#include "tests/netns/common/space.h"

using namespace sluice;
using namespace sluice::netlink;

namespace {

const MacAddr kMac = *MacAddr::parse("02:00:00:00:00:0a");
const MacAddr kOtherMac = *MacAddr::parse("02:00:00:00:00:0b");

Ipv4 ip(const char* text) { return *Ipv4::parse(text); }
Prefix4 prefix(const char* text) { return *Prefix4::parse(text); }

// One namespace with a veth pair, both ends up, an address on the first.
struct Pair : Space {
  Pair() {
    REQUIRE_OK(rtnl.add_veth({"sla", kMac, 1400, {}, true}, {"slb", kOtherMac, 1400, {}, true}));
    a = rtnl.link("sla")->index;
    b = rtnl.link("slb")->index;
    REQUIRE_OK(rtnl.add_address({a, ip("10.0.0.1"), 24}));
  }
  IfIndex a, b;
};

std::optional<Route> route_to(Rtnl& rtnl, const char* destination, std::uint32_t table = 254) {
  const auto all = rtnl.routes(table);
  REQUIRE_OK(all);
  for (const auto& route : *all) {
    if (route.destination == prefix(destination)) return route;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("A veth pair is made with all that it shall have") {
  Pair pair;
  const auto a = *pair.rtnl.link(pair.a);
  CHECK(a.name == "sla");
  CHECK(a.kind == "veth");
  CHECK(a.mac == kMac);
  CHECK(a.mtu == 1400);
  CHECK(a.up);
  CHECK(a.carrier);
  CHECK(a.peer == pair.b);
  const auto all = pair.rtnl.links();
  REQUIRE_OK(all);
  CHECK(std::count_if(all->begin(), all->end(), [](const Link& l) { return l.kind == "veth"; }) ==
        2);
  CHECK(pair.rtnl.add_veth({"sla", {}, {}, {}, false}, {"slc", {}, {}, {}, false}).error().code ==
        Code::kExists);
}

TEST_CASE("The ends of a veth pair may be in two namespaces") {
  Space one, other;
  REQUIRE_OK(one.rtnl.add_veth({"sla", kMac, {}, {}, true},
                               {"eth0", kOtherMac, 1300, other.netns.fd(), true}));
  const auto here = one.rtnl.link("sla");
  REQUIRE_OK(here);
  const auto there = other.rtnl.link("eth0");
  REQUIRE_OK(there);
  CHECK(there->mac == kOtherMac);
  CHECK(there->mtu == 1300);
  CHECK(there->up);
  CHECK(here->peer == there->index);
  CHECK(here->peer_netns.has_value());
}

TEST_CASE("Moved, renamed, with MAC, MTU and up: one request") {
  Pair pair;
  Space pod;
  LinkChange change;
  change.netns_fd = pod.netns.fd();
  change.name = "eth0";
  change.mac = *MacAddr::parse("02:00:00:00:00:77");
  change.mtu = 1350;
  change.up = true;
  REQUIRE_OK(pair.rtnl.change_link(pair.b, change));
  const auto moved = pod.rtnl.link("eth0");
  REQUIRE_OK(moved);
  CHECK(moved->mac == *change.mac);
  CHECK(moved->mtu == 1350);
  CHECK(moved->up);
  CHECK(pair.rtnl.link("slb").error().code == Code::kNotFound);
  CHECK(pair.rtnl.link(pair.b).error().code == Code::kNotFound);
}

TEST_CASE("Only what is asked for changes") {
  Pair pair;
  const auto before = *pair.rtnl.link(pair.a);
  LinkChange change;
  change.alias = "pod shop/web eth0";
  REQUIRE_OK(pair.rtnl.change_link(pair.a, change));
  const auto after = *pair.rtnl.link(pair.a);
  CHECK(after.alias == "pod shop/web eth0");
  CHECK(after.mac == before.mac);
  CHECK(after.mtu == before.mtu);
  CHECK(after.up);
  change = {};
  change.alias = "";
  change.up = false;
  REQUIRE_OK(pair.rtnl.change_link(pair.a, change));
  CHECK(pair.rtnl.link(pair.a)->alias.empty());
  CHECK_FALSE(pair.rtnl.link(pair.a)->up);
}

TEST_CASE("An error carries the kernel's own words and the offending attribute") {
  Pair pair;
  LinkChange change;
  change.mtu = 70000;
  const auto status = pair.rtnl.change_link(pair.a, change);
  REQUIRE_FALSE(status);
  INFO(status.error().message);
  CHECK(status.error().code == Code::kInvalid);
  CHECK(status.error().domain == Domain::kKernel);
  CHECK(status.error().message.find("change link " + std::to_string(pair.a.value)) == 0);
  CHECK(status.error().message.find("mtu greater than device maximum") != std::string::npos);
  Route route;
  route.destination = prefix("10.5.0.0/16");
  route.gateway = ip("192.0.2.1");
  route.link = pair.a;
  const auto refused = pair.rtnl.replace_route(route);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("Nexthop has invalid gateway") != std::string::npos);
}

TEST_CASE("Bad values are refused before the kernel is asked") {
  Pair pair;
  LinkChange change;
  for (const char* name : {"", "a/b", "a b", "sixteen-bytes-xx", "."}) {
    change.name = name;
    INFO(name);
    CHECK(pair.rtnl.change_link(pair.a, change).error().domain == Domain::kNone);
    CHECK(pair.rtnl.link(name).error().code == Code::kInvalid);
  }
  change = {};
  change.alias = std::string(256, 'x');
  CHECK(pair.rtnl.change_link(pair.a, change).error().code == Code::kInvalid);
  CHECK(pair.rtnl.add_address({pair.a, ip("10.0.0.9"), 33}).error().code == Code::kInvalid);
  CHECK(pair.rtnl.delete_link({}).error().code == Code::kInvalid);
}

TEST_CASE("Deleting a link is done when it is gone") {
  Pair pair;
  CHECK(pair.rtnl.delete_link(pair.a));
  CHECK(pair.rtnl.link(pair.b).error().code == Code::kNotFound);
  CHECK(pair.rtnl.delete_link(pair.a));
}

TEST_CASE("Addresses are added and deleted any number of times") {
  Pair pair;
  const Address address{pair.a, ip("10.1.0.7"), 32};
  CHECK(pair.rtnl.add_address(address));
  CHECK(pair.rtnl.add_address(address));
  const auto mine = pair.rtnl.addresses(pair.a);
  REQUIRE_OK(mine);
  CHECK(*mine == std::vector<Address>{{pair.a, ip("10.0.0.1"), 24}, address});
  CHECK(pair.rtnl.addresses(pair.b)->empty());
  CHECK(pair.rtnl.addresses({})->size() == 2);
  CHECK(pair.rtnl.delete_address(address));
  CHECK(pair.rtnl.delete_address(address));
  CHECK(pair.rtnl.addresses(pair.a)->size() == 1);
}

TEST_CASE("Routes are replaced, listed by table and deleted any number of times") {
  Pair pair;
  Route route;
  route.destination = prefix("10.9.0.0/16");
  route.gateway = ip("10.0.0.2");
  route.link = pair.a;
  route.mtu = 1300;
  REQUIRE_OK(pair.rtnl.replace_route(route));
  route.gateway = ip("10.0.0.3");
  REQUIRE_OK(pair.rtnl.replace_route(route));
  auto found = route_to(pair.rtnl, "10.9.0.0/16");
  REQUIRE(found);
  CHECK(found->gateway == route.gateway);
  CHECK(found->mtu == 1300);
  CHECK(pair.rtnl.delete_route(route));
  CHECK(pair.rtnl.delete_route(route));
  CHECK_FALSE(route_to(pair.rtnl, "10.9.0.0/16"));

  Route other;
  other.destination = prefix("0.0.0.0/0");
  other.gateway = ip("169.254.1.1");
  other.link = pair.a;
  other.onlink = true;
  other.preferred_source = ip("10.0.0.1");
  other.table = 1000;
  CHECK(pair.rtnl.routes(1000)->empty());
  REQUIRE_OK(pair.rtnl.replace_route(other));
  found = route_to(pair.rtnl, "0.0.0.0/0", 1000);
  REQUIRE(found);
  CHECK(found->onlink);
  CHECK(found->preferred_source == ip("10.0.0.1"));
  CHECK_FALSE(route_to(pair.rtnl, "0.0.0.0/0"));
  CHECK(pair.rtnl.delete_route(other));

  Route on_link;
  on_link.destination = prefix("169.254.1.1/32");
  on_link.link = pair.a;
  REQUIRE_OK(pair.rtnl.replace_route(on_link));
  CHECK(route_to(pair.rtnl, "169.254.1.1/32")->link_scope);
  CHECK(pair.rtnl.delete_route(on_link));

  on_link.destination = Prefix4{ip("10.9.0.1"), 16};
  CHECK(pair.rtnl.replace_route(on_link).error().code == Code::kInvalid);
}

TEST_CASE("The kernel says how a packet would leave") {
  Pair pair;
  Route route;
  route.destination = prefix("10.9.0.0/16");
  route.gateway = ip("10.0.0.2");
  route.link = pair.a;
  REQUIRE_OK(pair.rtnl.replace_route(route));
  const auto far = pair.rtnl.lookup_route(ip("10.9.1.1"));
  REQUIRE_OK(far);
  CHECK(far->link == pair.a);
  CHECK(far->gateway == ip("10.0.0.2"));
  CHECK(far->source == ip("10.0.0.1"));
  CHECK_FALSE(far->local);
  const auto near = pair.rtnl.lookup_route(ip("10.0.0.9"));
  REQUIRE_OK(near);
  CHECK_FALSE(near->gateway);
  CHECK(pair.rtnl.lookup_route(ip("10.0.0.1"))->local);
  CHECK(pair.rtnl.lookup_route(ip("192.0.2.1")).error().code == Code::kUnavailable);
}

TEST_CASE("Neighbours are replaced, listed by link and probed") {
  Pair pair;
  Neighbour neighbour{pair.a, ip("10.0.0.2"), kOtherMac, 0};
  REQUIRE_OK(pair.rtnl.replace_neighbour(neighbour));
  neighbour.mac = *MacAddr::parse("02:00:00:00:00:55");
  REQUIRE_OK(pair.rtnl.replace_neighbour(neighbour));
  auto all = pair.rtnl.neighbours(pair.a);
  REQUIRE_OK(all);
  const auto found = std::find_if(all->begin(), all->end(),
                                  [](const Neighbour& n) { return n.ip == ip("10.0.0.2"); });
  REQUIRE(found != all->end());
  CHECK(found->mac == neighbour.mac);
  CHECK(found->state == NUD_PERMANENT);
  CHECK(pair.rtnl.neighbours(pair.b)->empty());

  REQUIRE_OK(pair.rtnl.probe_neighbour(pair.a, ip("10.0.0.3")));
  all = pair.rtnl.neighbours(pair.a);
  const auto probed = std::find_if(all->begin(), all->end(),
                                   [](const Neighbour& n) { return n.ip == ip("10.0.0.3"); });
  REQUIRE(probed != all->end());
  CHECK((probed->state & (NUD_INCOMPLETE | NUD_FAILED)) != 0);
  CHECK_FALSE(probed->usable());
}

TEST_CASE("A bridge takes ports, their flags, and forwarding entries") {
  Pair pair;
  REQUIRE_OK(pair.rtnl.add_bridge("slbr", kMac));
  const auto bridge = *pair.rtnl.link("slbr");
  CHECK(bridge.kind == "bridge");
  CHECK(bridge.mac == kMac);
  LinkChange join;
  join.master = bridge.index;
  REQUIRE_OK(pair.rtnl.change_link(pair.b, join));
  CHECK(pair.rtnl.link(pair.b)->master == bridge.index);

  BridgePort port;
  port.isolated = true;
  port.locked = true;
  port.learning = false;
  port.flood = false;
  port.multicast_flood = false;
  port.broadcast_flood = false;
  port.hairpin = true;
  REQUIRE_OK(pair.rtnl.set_bridge_port(pair.b, port));
  const auto shown = pair.output_of({"bridge", "-d", "link", "show", "dev", "slb"});
  INFO(shown);
  for (const char* flag : {"isolated on", "locked on", "learning off", " flood off",
                           "mcast_flood off", "bcast_flood off", "hairpin on"}) {
    INFO(flag);
    CHECK(shown.find(flag) != std::string::npos);
  }
  BridgePort open_again;
  open_again.isolated = false;
  REQUIRE_OK(pair.rtnl.set_bridge_port(pair.b, open_again));
  const auto after = pair.output_of({"bridge", "-d", "link", "show", "dev", "slb"});
  CHECK(after.find("isolated off") != std::string::npos);
  CHECK(after.find("locked on") != std::string::npos);   // what isn't named stays
  CHECK_FALSE(pair.rtnl.set_bridge_port(pair.a, port));  // in no bridge

  join.master = IfIndex{};
  REQUIRE_OK(pair.rtnl.change_link(pair.b, join));
  CHECK(pair.rtnl.link(pair.b)->master == IfIndex{});
}

TEST_CASE("Forwarding entries are static, and move from port to port") {
  Pair pair;
  REQUIRE_OK(pair.rtnl.add_bridge("slbr", kMac));
  LinkChange join;
  join.master = pair.rtnl.link("slbr")->index;
  REQUIRE_OK(pair.rtnl.change_link(pair.a, join));
  REQUIRE_OK(pair.rtnl.change_link(pair.b, join));
  const auto mac = *MacAddr::parse("02:00:00:00:00:99");
  const auto entry_of = [&](const char* dev) {
    const auto shown = pair.output_of({"bridge", "fdb", "show", "dev", dev});
    const auto at = shown.find(mac.to_string());
    return at == std::string::npos ? std::string() : shown.substr(at, shown.find('\n', at) - at);
  };
  REQUIRE_OK(pair.rtnl.add_fdb(pair.b, mac));
  REQUIRE_OK(pair.rtnl.add_fdb(pair.b, mac));
  CHECK(entry_of("slb").find("master slbr static") != std::string::npos);
  REQUIRE_OK(pair.rtnl.add_fdb(pair.a, mac));
  CHECK(entry_of("slb").empty());
  CHECK(entry_of("sla").find("static") != std::string::npos);
  REQUIRE_OK(pair.rtnl.delete_fdb(pair.a, mac));
  REQUIRE_OK(pair.rtnl.delete_fdb(pair.a, mac));
  CHECK(entry_of("sla").empty());
}

TEST_CASE("A VF's MAC can't be set on what is no PF, and the kernel says so") {
  Pair pair;
  const auto status = pair.rtnl.set_vf_mac(pair.a, 3, kMac);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Code::kUnsupported);
  CHECK(status.error().message.find("of VF 3 on link") != std::string::npos);
}

TEST_CASE("A dump of many links is whole") {
  Space space;
  for (int i = 0; i < 100; ++i) {
    const std::string n = std::to_string(i);
    REQUIRE_OK(space.rtnl.add_veth({"sla" + n, {}, {}, {}, false}, {"slb" + n, {}, {}, {}, false}));
  }
  const auto links = space.rtnl.links();
  REQUIRE_OK(links);
  CHECK(std::count_if(links->begin(), links->end(),
                      [](const Link& l) { return l.kind == "veth"; }) == 200);
}
