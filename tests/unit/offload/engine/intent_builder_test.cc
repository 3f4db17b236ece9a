// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/intent_builder.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace sluice::engine {
namespace {

NodeSettings settings() {
  NodeSettings s;
  s.node = "node-a";
  s.gateway_ip = *Ipv4::parse("169.254.1.1");
  s.vni = 7;
  return s;
}

IntentParts parts() {
  IntentParts p;
  p.nodes = {{"node-b", *Ipv4::parse("172.30.0.12"), *Prefix4::parse("10.244.2.0/24")},
             {"node-a", *Ipv4::parse("172.30.0.11"), *Prefix4::parse("10.244.1.0/24")}};
  p.services = {{"shop/web", *Ipv4::parse("10.96.0.10"), {}, {}, {}},
                {"shop/db", *Ipv4::parse("10.96.0.20"), {}, {}, {}}};
  p.next_hops = {{2, *Ipv4::parse("172.30.0.12"), {}, false},
                 {1, *Ipv4::parse("172.30.0.1"), {}, false}};
  return p;
}

TEST_CASE("the order of the parts does not matter") {
  auto reversed = parts();
  std::reverse(reversed.nodes.begin(), reversed.nodes.end());
  std::reverse(reversed.services.begin(), reversed.services.end());
  std::reverse(reversed.next_hops.begin(), reversed.next_hops.end());
  const auto one = build_intent(settings(), parts());
  const auto other = build_intent(settings(), reversed);
  REQUIRE(one);
  REQUIRE(other);
  CHECK(**one == **other);
  CHECK((*one)->self_node().name == "node-a");
  CHECK((*one)->services.front().name == "shop/db");
}

TEST_CASE("a manifest without this node is refused by name") {
  auto elsewhere = settings();
  elsewhere.node = "node-z";
  const auto intent = build_intent(elsewhere, parts());
  REQUIRE(!intent);
  CHECK(intent.error().message ==
        "this node, 'node-z', is not in the manifest; it has node-a, node-b");
}

}  // namespace
}  // namespace sluice::engine
