// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "device-plugin/pools/pool_config.h"

namespace sluice::pools {
namespace {

TEST_CASE("configurations that are refused, and what the message must name") {
  struct Row {
    const char* text;
    const char* named;
  };
  const std::vector<Row> rows = {
      {"", "not JSON"},
      {"[]", "must be an object"},
      {"{}", "pools must be a list"},
      {R"({"pools":[]})", "1 to 64 pools"},
      {R"({"pool":[]})", "did you mean 'pools'?"},
      {R"({"pools":[1]})", "pools[0] must be an object"},
      {R"({"pools":[{"selectors":{}}]})", "pools[0].name must be a string"},
      {R"({"pools":[{"name":"A"}]})", "pools[0].name is 'A'"},
      {R"({"pools":[{"name":"-a"}]})", "pools[0].name"},
      {R"({"pools":[{"name":"a","selectors":null}]})", "pools[0].selectors must be an object"},
      {R"({"pools":[{"name":"a","selector":{}}]})", "did you mean 'selectors'?"},
      {R"({"pools":[{"name":"a","selectors":{"pfName":["p0"]}}]})", "did you mean 'pfNames'?"},
      {R"({"pools":[{"name":"a","selectors":{"rails":["p0"]}}]})", "key 'rails' is unknown"},
      {R"({"pools":[{"name":"a","selectors":{"drivers":"x"}}]})", "drivers must be a list"},
      {R"({"pools":[{"name":"a","selectors":{"drivers":[]}}]})", "leave it out"},
      {R"({"pools":[{"name":"a","selectors":{"drivers":[""]}}]})", "not empty"},
      {R"({"pools":[{"name":"a","selectors":{"pfNames":["p0#"]}}]})", "no VF index"},
      {R"({"pools":[{"name":"a","selectors":{"pfNames":["p0#3-1"]}}]})", "reversed"},
      {R"({"pools":[{"name":"a","selectors":{"pfNames":["p0#1-2-3"]}}]})", "no VF index"},
      {R"({"pools":[{"name":"a","selectors":{"pfNames":["p0#0, 2"]}}]})", "no VF index"},
      {R"({"pools":[{"name":"a","selectors":{"pfNames":["#1"]}}]})", "interface name"},
      {R"({"pools":[{"name":"a","selectors":{"pfNames":["p0#0","p0#4"]}}]})", "twice"},
      {R"({"pools":[{"name":"a"},{"name":"a"}]})", "same environment variable"},
      {R"({"pools":[{"name":"a-b"},{"name":"a.b"}]})", "SLUICE_VF_A_B"},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    const auto parsed = parse_config(row.text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Code::kInvalid);
    INFO(parsed.error().to_string());
    CHECK(parsed.error().to_string().find(row.named) != std::string::npos);
  }
}

TEST_CASE("a full configuration") {
  const auto parsed = parse_config(
      R"({"pools":[{"name":"fast","selectors":{"drivers":["mlx5_core"],"pfNames":["p0","p1#0-2,7"]}},
                   {"name":"rest"}]})");
  REQUIRE(parsed);
  REQUIRE(parsed->size() == 2);
  const auto& fast = (*parsed)[0];
  CHECK(fast.name == "fast");
  CHECK(fast.selectors.drivers == std::vector<std::string>{"mlx5_core"});
  REQUIRE(fast.selectors.pf_names.size() == 2);
  CHECK(fast.selectors.pf_names[0] == PfSelector{"p0", {}});
  CHECK(fast.selectors.pf_names[1] == PfSelector{"p1", {{0, 2}, {7, 7}}});
  CHECK((*parsed)[1].selectors == Selectors{});
}

TEST_CASE("PF selectors") {
  const auto some = PfSelector::parse("p1#0-2,7").value();
  for (const std::uint16_t index : std::vector<std::uint16_t>{0, 1, 2, 7})
    CHECK(some.matches("p1", index));
  for (const std::uint16_t index : std::vector<std::uint16_t>{3, 6, 8})
    CHECK_FALSE(some.matches("p1", index));
  CHECK_FALSE(some.matches("p10", 0));
  CHECK_FALSE(some.matches("", 0));
  CHECK(PfSelector::parse("p1").value().matches("p1", 255));
}

TEST_CASE("resource prefixes") {
  for (const char* good : {"sluice.dev", "a", "a-b.c1"}) {
    INFO(good);
    CHECK(check_resource_prefix(good));
  }
  for (const char* bad : {"", ".a", "a.", "a..b", "-a", "a-", "a-.b", "a.-b", "A", "a/b", "a_b"}) {
    INFO(bad);
    CHECK_FALSE(check_resource_prefix(bad));
  }
}

}  // namespace
}  // namespace sluice::pools
