// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/pod_routes.h"

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::cni;

namespace {

CniRoute route(const char* destination) {
  CniRoute out;
  out.destination = *IpPrefix::parse(destination);
  return out;
}

CniAddress address(const char* prefix, const char* gateway) {
  CniAddress out;
  out.address = *IpPrefix::parse(prefix);
  if (*gateway != '\0') out.gateway = *IpAddr::parse(gateway);
  return out;
}

}  // namespace

TEST_CASE("A route without a gateway goes by its family's first one") {
  CniResult result;
  result.addresses = {address("10.0.0.5/24", ""), address("10.0.1.5/24", "10.0.1.1"),
                      address("fd00::5/64", "fd00::1")};
  result.routes = {route("0.0.0.0/0"), route("::/0"), route("10.9.0.7/16")};
  const auto routes = pod_routes(result, {7});
  REQUIRE(routes.size() == 3);
  CHECK(routes[0].gateway == *IpAddr::parse("10.0.1.1"));
  CHECK_FALSE(routes[0].onlink);
  CHECK(routes[1].gateway == *IpAddr::parse("fd00::1"));
  CHECK(routes[2].destination == *IpPrefix::parse("10.9.0.0/16"));
  CHECK(routes[2].link.value == 7);
}

TEST_CASE("A link's own routes have none, and come first: the others are reached by them") {
  CniResult result;
  result.addresses = {address("10.244.1.7/32", "169.254.1.1")};
  result.routes = {route("0.0.0.0/0"), route("169.254.1.1/32")};
  result.routes[1].scope = std::uint8_t{253};
  const auto routes = pod_routes(result, {7});
  CHECK(routes[0].destination.to_string() == "169.254.1.1/32");
  CHECK_FALSE(routes[0].gateway);
  CHECK(routes[0].scope == std::uint8_t{253});
  CHECK(routes[1].gateway == *IpAddr::parse("169.254.1.1"));
  // Said to be on the link, so that no other interface's route to it is asked.
  CHECK(routes[1].onlink);
  CHECK_FALSE(routes[0].onlink);
}

TEST_CASE("What a route asks for is kept; IPv6 has no scopes") {
  CniResult result;
  auto one = route("fd00:2::/48");
  one.gateway = *IpAddr::parse("fd00::9");
  one.mtu = 1400U;
  one.advmss = 1360U;
  one.priority = 5U;
  one.table = 77U;
  one.scope = std::uint8_t{0};
  result.routes = {one};
  const auto routes = pod_routes(result, {7});
  CHECK(routes[0].mtu == 1400U);
  CHECK(routes[0].advmss == 1360U);
  CHECK(routes[0].priority == 5U);
  CHECK(routes[0].table == 77U);
  CHECK_FALSE(routes[0].scope);
}
