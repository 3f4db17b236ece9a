// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/expected.h"

#include <doctest/doctest.h>

namespace sluice::cni {
namespace {

CniAddress address(const char* text, std::optional<std::size_t> interface) {
  CniAddress out;
  out.address = IpPrefix::parse(text).value();
  out.interface = interface;
  return out;
}

CniRoute route(const char* destination, const char* gateway) {
  CniRoute out;
  out.destination = IpPrefix::parse(destination).value();
  if (*gateway != '\0') out.gateway = IpAddr::parse(gateway).value();
  return out;
}

// eth0 with one address, a default route and one that only 1.1.0 can say.
Record record() {
  Record out;
  out.key = {"c1", "eth0"};
  out.result.addresses = {address("10.1.0.5/24", 0)};
  out.result.routes = {route("0.0.0.0/0", "10.1.0.1"), route("10.8.0.0/16", "")};
  out.result.routes[1].table = 100U;
  return out;
}

// What the runtime says: eth0 and a link of another plugin in the pod.
CniResult previous() {
  CniResult out = record().result;
  out.interfaces = {{"eth0", "", 0, "/run/netns/x", "", ""},
                    {"net9", "", 0, "/run/netns/x", "", ""}};
  return out;
}

TEST_CASE("what ADD gave and prevResult says; the addresses of other interfaces aren't ours") {
  auto said = previous();
  said.addresses.push_back(address("10.1.0.6/24", 0));
  said.addresses.push_back(address("10.2.0.6/24", 1));
  const auto out = expected(said, record());
  REQUIRE(out.addresses.size() == 2);
  CHECK(out.addresses[1].address.to_string() == "10.1.0.6/24");
  CHECK(out.routes == record().result.routes);
}

TEST_CASE("addresses without a number: those of ADD, or all where there are no interfaces") {
  auto said = previous();
  said.addresses = {address("10.1.0.5/24", {}), address("10.2.0.6/24", {})};
  CHECK(expected(said, record()).addresses.size() == 1);
  said.interfaces.clear();
  CHECK(expected(said, record()).addresses.size() == 2);
  auto second = record();
  second.first = "eth9";
  CHECK(expected(said, second).addresses.empty());
  said = previous();
  said.addresses = {address("10.1.0.5/24", 7)};
  CHECK(expected(said, record()).addresses.empty());
}

TEST_CASE("routes that are no longer said aren't looked for; what isn't said of one is as it was") {
  auto said = previous();
  said.routes.clear();
  CHECK(expected(said, record()).routes.empty());
  said = previous();
  said.routes[0].mtu = 1300U;
  said.routes[1].table.reset();
  const auto out = expected(said, record());
  REQUIRE(out.routes.size() == 2);
  CHECK(out.routes[0].mtu == 1300U);
  CHECK(out.routes[1].table == 100U);
  said.routes = {route("0.0.0.0/0", "10.9.0.1")};  // another by now
  CHECK(expected(said, record()).routes.empty());
}

TEST_CASE("routes of others: by a gateway that is beside this interface alone") {
  auto said = previous();
  said.routes = {route("10.3.0.0/16", "10.1.0.9"), route("10.4.0.0/16", "10.2.0.9"),
                 route("10.5.0.0/16", "")};
  CHECK(expected(said, record()).routes == std::vector{said.routes[0]});
  said.addresses.push_back(address("10.1.0.6/24", 1));
  CHECK(expected(said, record()).routes.empty());
}

}  // namespace
}  // namespace sluice::cni
