// SPDX-License-Identifier: Apache-2.0
// The sample that the demo runs is valid, and is what its comments say.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "offload/sources/manifest.h"

using namespace sluice;
using namespace sluice::sources;

TEST_CASE("deploy/samples/demo.yaml") {
  std::ifstream file(SLUICE_SAMPLE);
  REQUIRE(file);
  std::stringstream text;
  text << file.rdbuf();
  const auto manifest = parse_manifest(text.str());
  REQUIRE_MESSAGE(manifest, (manifest ? "" : manifest.error().to_string()));
  CHECK(manifest->warnings.empty());
  CHECK(manifest->nodes.size() == 2);
  CHECK(manifest->pods.size() == 6);
  CHECK(manifest->slices.empty());
  const auto cluster = merge(*manifest);
  REQUIRE(cluster);
  REQUIRE(cluster->services.size() == 5);
  const auto find = [&](const char* name) {
    return *std::find_if(cluster->services.begin(), cluster->services.end(),
                         [&](const auto& s) { return s.name == name; });
  };
  CHECK(find("shop/web").ports[0].node_port == 30080);
  CHECK(find("shop/web-local").external_policy == model::TrafficPolicy::kLocal);
  CHECK(find("shop/dns-ish").ports[0].proto == model::Proto::kUdp);
  CHECK(cluster->nodes[0].node0().to_string() == "10.244.1.1");
}
