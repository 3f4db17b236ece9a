// SPDX-License-Identifier: Apache-2.0
// Addresses and routes of both families in one send, against the kernel.
#include <algorithm>

#include "tests/netns/common/space.h"

using namespace sluice;
using namespace sluice::netlink;

namespace {

IpAddr ip(const char* text) { return *IpAddr::parse(text); }
IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }

IpAddress address_on(IfIndex link, const char* text) {
  IpAddress address;
  address.link = link;
  address.ip = prefix(text);
  address.no_dad = address.ip.address.v6;
  return address;
}

IpRoute route_on(IfIndex link, const char* destination, const char* gateway) {
  IpRoute route;
  route.link = link;
  route.destination = prefix(destination);
  if (gateway != nullptr) route.gateway = ip(gateway);
  return route;
}

std::optional<IpRoute> route_to(const std::vector<IpRoute>& routes, const char* destination) {
  for (const auto& route : routes) {
    if (route.destination == prefix(destination)) return route;
  }
  return std::nullopt;
}

std::optional<IpAddress> find(const std::vector<IpAddress>& all, const char* text) {
  for (const auto& address : all) {
    if (address.ip == prefix(text)) return address;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("Addresses and routes of both families are there after one call") {
  VethSpace space;
  auto metric = route_on(space.a, "10.7.0.9/16", "10.0.0.254");  // host bits don't count
  metric.mtu = 1300;
  metric.advmss = 1200;
  metric.priority = 50;
  metric.table = 1000;
  auto onlink = route_on(space.a, "10.8.0.0/16", "192.0.2.1");
  onlink.onlink = true;
  REQUIRE_OK(space.rtnl.configure(
      {address_on(space.a, "10.0.0.1/24"), address_on(space.a, "fd00::1/64")},
      {route_on(space.a, "0.0.0.0/0", "10.0.0.254"), route_on(space.a, "::/0", "fd00::ff"), metric,
       onlink, route_on(space.a, "10.9.0.0/16", nullptr),
       route_on(space.a, "fd09::/64", nullptr)}));

  const auto addresses = space.rtnl.ip_addresses(space.a);
  REQUIRE_OK(addresses);
  REQUIRE(find(*addresses, "10.0.0.1/24"));
  REQUIRE(find(*addresses, "fd00::1/64"));
  CHECK(find(*addresses, "fd00::1/64")->no_dad);
  CHECK_FALSE(find(*addresses, "fd00::1/64")->tentative);

  const auto routes = space.rtnl.ip_routes(space.a);
  REQUIRE_OK(routes);
  REQUIRE(route_to(*routes, "0.0.0.0/0"));
  CHECK(route_to(*routes, "0.0.0.0/0")->gateway == ip("10.0.0.254"));
  CHECK(route_to(*routes, "0.0.0.0/0")->scope == 0);
  CHECK(route_to(*routes, "::/0")->gateway == ip("fd00::ff"));
  CHECK(route_to(*routes, "::/0")->priority == 1024U);
  const auto special = route_to(*routes, "10.7.0.0/16");
  REQUIRE(special);
  CHECK(special->mtu == 1300U);
  CHECK(special->advmss == 1200U);
  CHECK(special->priority == 50U);
  CHECK(special->table == 1000U);
  CHECK(route_to(*routes, "10.8.0.0/16")->onlink);
  CHECK(route_to(*routes, "10.9.0.0/16")->scope == 253);
  CHECK(route_to(*routes, "fd09::/64"));
  CHECK(space.output_of({"ip", "route", "show", "table", "1000"}).find("advmss 1200") !=
        std::string::npos);
}

TEST_CASE("What is there already is success, but no route that leads elsewhere") {
  VethSpace space;
  const std::vector<IpAddress> addresses = {address_on(space.a, "10.0.0.1/24"),
                                            address_on(space.a, "fd00::1/64")};
  const std::vector<IpRoute> routes = {route_on(space.a, "0.0.0.0/0", "10.0.0.254"),
                                       route_on(space.a, "::/0", "fd00::ff")};
  REQUIRE_OK(space.rtnl.configure(addresses, routes));
  REQUIRE_OK(space.rtnl.configure(addresses, routes));
  REQUIRE_OK(space.rtnl.configure({}, {}));
  auto of_second = route_on(space.b, "0.0.0.0/0", "10.0.0.254");
  of_second.onlink = true;
  auto more = of_second;
  more.priority = 7;  // a place of its own
  for (const auto& other : {route_on(space.a, "0.0.0.0/0", "10.0.0.253"), of_second,
                            route_on(space.a, "::/0", "fd00::fe")}) {
    const auto refused = space.rtnl.configure({}, {other, more});
    REQUIRE_FALSE(refused);
    INFO(refused.error().message);
    CHECK(refused.error().code == Code::kExists);
    CHECK(refused.error().retry == Retry::kNever);
    CHECK(refused.error().message.find("there is one to " + other.destination.to_string() +
                                       " already, on link sla via ") != std::string::npos);
  }
  const auto now = space.rtnl.ip_routes(space.a);
  REQUIRE_OK(now);
  CHECK(std::count_if(now->begin(), now->end(),
                      [](const IpRoute& r) { return r.destination.length == 0; }) == 2);
  CHECK(route_to(*now, "0.0.0.0/0")->gateway == ip("10.0.0.254"));
}

TEST_CASE("The first failure is told with what it was about; the others are tried") {
  VethSpace space;
  const auto status = space.rtnl.configure(
      {address_on(space.a, "10.0.0.1/24"), address_on({space.b.value + 1000}, "10.0.1.1/24")},
      {route_on(space.a, "10.7.0.0/16", "192.0.2.1"),
       route_on(space.a, "10.8.0.0/16", "10.0.0.2")});
  REQUIRE_FALSE(status);
  INFO(status.error().message);
  CHECK(status.error().code == Code::kNotFound);
  CHECK(status.error().message.find("add address 10.0.1.1/24 on link") == 0);
  const auto routes = space.rtnl.ip_routes(space.a);
  REQUIRE_OK(routes);
  CHECK(route_to(*routes, "10.8.0.0/16"));
  CHECK_FALSE(route_to(*routes, "10.7.0.0/16"));

  const auto refused = space.rtnl.configure({}, {route_on(space.a, "10.7.0.0/16", "192.0.2.1")});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("add route 10.7.0.0/16 via 192.0.2.1 on link") == 0);
  CHECK(refused.error().message.find("Nexthop has invalid gateway") != std::string::npos);
  CHECK(refused.error().code == Code::kPrecondition);
  CHECK(refused.error().retry == Retry::kNever);
}

TEST_CASE("More than fit in one send are all made, and an error far behind is told") {
  VethSpace space;
  std::vector<IpAddress> addresses;
  std::vector<IpRoute> routes;
  for (int i = 1; i <= 150; ++i) {
    addresses.push_back(address_on(space.a, ("10.0.0." + std::to_string(i) + "/24").c_str()));
    routes.push_back(
        route_on(space.a, ("10." + std::to_string(i) + ".0.0/16").c_str(), "10.0.0.254"));
  }
  REQUIRE_OK(space.rtnl.configure(addresses, routes));
  CHECK(space.rtnl.ip_addresses(space.a)->size() >= 150);
  CHECK(space.rtnl.ip_routes(space.a)->size() >= 150);
  routes.push_back(route_on(space.a, "10.200.0.0/16", "192.0.2.1"));
  const auto status = space.rtnl.configure(addresses, routes);
  REQUIRE_FALSE(status);
  CHECK(status.error().message.find("add route 10.200.0.0/16") == 0);
  // The socket is in step afterwards.
  CHECK(space.rtnl.link(space.a)->name == "sla");
}

TEST_CASE("An optimistic address is usable before its check is over, where the sysctl allows it") {
  VethSpace space;
  space.run({"sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/sla/optimistic_dad"});
  auto address = address_on(space.a, "fd00::1/64");
  address.no_dad = false;
  address.optimistic = true;
  REQUIRE_OK(space.rtnl.configure({address}, {}));
  const auto now = space.rtnl.ip_addresses(space.a);
  REQUIRE_OK(now);
  CHECK(find(*now, "fd00::1/64"));
  CHECK_FALSE(find(*now, "fd00::1/64")->dad_failed);
}

TEST_CASE("An address that somebody else has is told as failed") {
  VethSpace space;
  Space other;
  LinkChange change;
  change.netns_fd = other.netns.fd();
  change.up = true;
  REQUIRE_OK(space.rtnl.change_link(space.b, change));
  const auto there = other.rtnl.link("slb")->index;
  REQUIRE_OK(other.rtnl.configure({address_on(there, "fd00::1/64")}, {}));
  auto address = address_on(space.a, "fd00::1/64");
  address.no_dad = false;
  REQUIRE_OK(space.rtnl.configure({address}, {}));
  CHECK(find(*space.rtnl.ip_addresses(space.a), "fd00::1/64")->tentative);
}

TEST_CASE("What makes no sense is refused before the kernel is asked") {
  VethSpace space;
  auto bad = address_on(space.a, "10.0.0.1/24");
  bad.ip.length = 33;
  CHECK(space.rtnl.configure({bad}, {}).error().code == Code::kInvalid);
  CHECK(space.rtnl.configure({}, {route_on(space.a, "10.0.0.0/8", "fd00::1")}).error().code ==
        Code::kInvalid);
  auto route = route_on(space.a, "fd00::/64", nullptr);
  route.destination.length = 129;
  CHECK(space.rtnl.configure({address_on(space.a, "10.0.0.1/24")}, {route}).error().code ==
        Code::kInvalid);
  CHECK_FALSE(find(*space.rtnl.ip_addresses(space.a), "10.0.0.1/24"));
}

TEST_CASE("Of all links, or of one that isn't there") {
  VethSpace space;
  REQUIRE_OK(space.rtnl.configure(
      {address_on(space.a, "10.0.0.1/24"), address_on(space.b, "10.0.1.1/24")}, {}));
  CHECK(find(*space.rtnl.ip_addresses({}), "10.0.1.1/24"));
  CHECK_FALSE(find(*space.rtnl.ip_addresses(space.a), "10.0.1.1/24"));
  CHECK(route_to(*space.rtnl.ip_routes({}), "10.0.1.0/24"));
  CHECK_FALSE(route_to(*space.rtnl.ip_routes(space.a), "10.0.1.0/24"));
  CHECK(space.rtnl.ip_addresses({space.b.value + 1000}).error().code == Code::kNotFound);
  CHECK(space.rtnl.ip_routes({space.b.value + 1000}).error().code == Code::kNotFound);
}
