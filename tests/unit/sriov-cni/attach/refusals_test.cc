// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/refusals.h"

#include <doctest/doctest.h>

#include "sriov-cni/attach/wanted.h"
#include "sriov-cni/config/cni_error.h"

namespace sluice::cni {
namespace {

NodeFacts facts_of(const char* block) {
  NodeFacts out;
  out.node = "node-a";
  out.pod_block = *Prefix4::parse(block);
  return out;
}

IpamSource pool_of(const std::string& ranges) {
  IpamSource out;
  out.kind = IpamKind::kPool;
  out.network = "storage";
  out.text = R"({"type": "sluice", "ranges": )" + ranges + "}";
  return out;
}

TEST_CASE("a pool for the engine: the first list of IPv4 ranges is all in the node's block") {
  const auto facts = facts_of("10.244.1.0/24");
  struct Row {
    const char* ranges;
    const char* named;  // "": it is as the engine wants it
  };
  const Row rows[] = {
      {R"([[{"subnet": "10.244.1.0/24"}]])", ""},
      {R"([[{"subnet": "fd00::/64"}], [{"subnet": "10.244.1.64/26"}]])", ""},
      {R"([[{"subnet": "10.244.0.0/16", "rangeStart": "10.244.1.9", "rangeEnd": "10.244.1.20"}]])",
       ""},
      {R"([[{"subnet": "10.244.1.0/25"}], [{"subnet": "192.0.2.0/24"}]])", ""},
      {R"([[{"subnet": "fd00::/64"}]])", "no IPv4"},
      {R"([[{"subnet": "10.244.1.0/25"}, {"subnet": "192.0.2.0/24"}]])", "192.0.2.1-"},
      {R"([[{"subnet": "10.244.0.0/16", "rangeStart": "10.244.1.9"}]])", "10.244.1.9-"},
  };
  for (const auto& row : rows) {
    INFO(row.ranges);
    const auto checked = check_pool(pool_of(row.ranges), facts);
    const std::string named = row.named;
    CHECK(checked.has_value() == named.empty());
    if (checked) continue;
    INFO(checked.error().message);
    CHECK(cni_code(checked.error()) == kInvalidConfig);
    CHECK(checked.error().message.find(named) != std::string::npos);
    CHECK(checked.error().message.find("storage") != std::string::npos);
  }
  IpamSource block;
  block.kind = IpamKind::kNodeBlock;
  CHECK(check_pool(block, facts));
}

TEST_CASE("veths: of our own networks with an engine, and of no other") {
  for (const auto dialect : {Dialect::kSluice, Dialect::kSriov, Dialect::kIbSriov}) {
    for (const auto engine : {EngineUse::kRequired, EngineUse::kOptional, EngineUse::kNever}) {
      NetConfig config;
      config.dialect = dialect;
      config.engine = engine;
      CHECK(gives_veths(config) == (dialect == Dialect::kSluice && engine != EngineUse::kNever));
    }
  }
}

}  // namespace
}  // namespace sluice::cni
