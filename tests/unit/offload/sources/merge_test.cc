// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "offload/sources/manifest.h"

using namespace sluice;
using namespace sluice::sources;

namespace {

Ipv4 ip(const char* text) { return Ipv4::parse(text).value(); }

ManifestService web() {
  ManifestService service;
  service.name = "shop/web";
  service.cluster_ip = ip("10.96.0.10");
  service.ports = {{"http", model::Proto::kTcp, 80, 30080, true},
                   {"dns", model::Proto::kUdp, 53, 0, true}};
  return service;
}

EndpointSlice slice(const char* name, std::vector<SlicePort> ports,
                    std::vector<const char*> addresses) {
  EndpointSlice s;
  s.name = std::string("shop/") + name;
  s.service = "shop/web";
  s.ports = std::move(ports);
  for (const char* address : addresses)
    s.endpoints.push_back({ip(address), "node-a", true, true, false});
  return s;
}

}  // namespace

TEST_CASE("slices are put together by the port's name; each may have its own number") {
  Manifest manifest;
  manifest.services = {web()};
  manifest.slices = {
      slice("web-2", {{"http", "TCP", 9090}, {"dns", "UDP", 5353}}, {"10.244.1.12", "10.244.1.11"}),
      slice("web-1", {{"http", "TCP", 8080}}, {"10.244.1.10"})};
  const auto cluster = merge(manifest);
  REQUIRE(cluster);
  REQUIRE(cluster->services.size() == 1);
  const auto& ports = cluster->services[0].ports;
  REQUIRE(ports.size() == 2);
  CHECK(ports[0].name == "http");
  REQUIRE(ports[0].endpoints.size() == 3);
  CHECK(ports[0].endpoints[0].ip == ip("10.244.1.10"));
  CHECK(ports[0].endpoints[0].port == 8080);
  CHECK(ports[0].endpoints[1].port == 9090);
  CHECK(ports[1].endpoints.size() == 2);
  CHECK(ports[1].endpoints[0].port == 5353);

  std::swap(manifest.slices[0], manifest.slices[1]);
  std::swap(manifest.services[0].ports[0], manifest.services[0].ports[1]);
  CHECK(merge(manifest)->services == cluster->services);
}

TEST_CASE("an endpoint in two slices is one, in its better state") {
  Manifest manifest;
  manifest.services = {web()};
  manifest.slices = {slice("web-1", {{"http", "TCP", 8080}}, {"10.244.1.10"}),
                     slice("web-2", {{"http", "TCP", 8080}}, {"10.244.1.10"})};
  manifest.slices[0].endpoints[0].ready = false;
  const auto cluster = merge(manifest);
  REQUIRE(cluster);
  REQUIRE(cluster->services[0].ports[0].endpoints.size() == 1);
  CHECK(cluster->services[0].ports[0].endpoints[0].ready);
}

TEST_CASE("a slice's port that its service does not have is an error that lists the service's") {
  Manifest manifest;
  manifest.services = {web()};
  manifest.slices = {slice("web-1", {{"htpp", "TCP", 8080}}, {"10.244.1.10"})};
  const auto wrong_name = merge(manifest);
  REQUIRE_FALSE(wrong_name);
  CHECK(wrong_name.error().message ==
        "EndpointSlice shop/web-1: ports[0].name 'htpp' TCP is no port of Service shop/web, must "
        "be one of 'http' "
        "TCP, 'dns' UDP");
  manifest.slices = {slice("web-1", {{"http", "UDP", 8080}}, {"10.244.1.10"})};
  CHECK_FALSE(merge(manifest));
}

TEST_CASE("what belongs to nobody is a warning") {
  Manifest manifest;
  manifest.services = {web()};
  manifest.skipped_services = {"shop/headless"};
  manifest.slices = {slice("stray", {{"http", "TCP", 80}}, {"10.244.1.10"}),
                     slice("orphan", {{"http", "TCP", 80}}, {"10.244.1.10"}),
                     slice("quiet", {{"x", "TCP", 80}}, {"10.244.1.10"})};
  manifest.slices[0].service = "shop/other";
  manifest.slices[1].service = "";
  manifest.slices[2].service = "shop/headless";
  const auto cluster = merge(manifest);
  REQUIRE(cluster);
  REQUIRE(cluster->warnings.size() == 2);
  CHECK(cluster->warnings[0] ==
        Warning{"EndpointSlice shop/stray", "Service shop/other is unknown: ignored"});
  CHECK(cluster->warnings[1].object == "EndpointSlice shop/orphan");
  CHECK(cluster->services[0].ports[0].endpoints.empty());
}

TEST_CASE("a port without endpoints beside one that has some is a warning") {
  Manifest manifest;
  manifest.services = {web()};
  manifest.slices = {slice("web-1", {{"http", "TCP", 8080}}, {"10.244.1.10"})};
  const auto cluster = merge(manifest);
  REQUIRE(cluster);
  REQUIRE(cluster->warnings.size() == 1);
  CHECK(cluster->warnings[0].message ==
        "spec.ports[1] 'dns' has no endpoint though the service has some");
}

TEST_CASE("an SCTP port is left out and its endpoints with it") {
  Manifest manifest;
  manifest.services = {web()};
  manifest.services[0].ports.push_back({"sig", model::Proto::kTcp, 80, 0, false});
  manifest.slices = {slice("web-1", {{"sig", "SCTP", 80}}, {"10.244.1.10"})};
  const auto cluster = merge(manifest);
  REQUIRE(cluster);
  CHECK(cluster->services[0].ports.size() == 2);
}
