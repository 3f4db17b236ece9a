// SPDX-License-Identifier: Apache-2.0
// Step by step equals at once, whatever happens in between.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "common/base/clock.h"
#include "offload/planner/plan.h"
#include "tests/unit/offload/planner/node.h"

using namespace sluice;
using namespace sluice::model;
using namespace sluice::test;

namespace {

// A backend's view: rules by key, changed by deltas alone.
class Installed {
 public:
  void apply(const Delta& delta) {
    for (const Rule& rule : delta.removed) {
      REQUIRE(rules_.erase(rule.key_hash()) == 1);
    }
    for (const auto& change : delta.changed) {
      REQUIRE(rules_.contains(change.before.key_hash()));
      CHECK(rules_[change.before.key_hash()] == change.before);
      CHECK(change.before.key_hash() == change.after.key_hash());
      rules_[change.after.key_hash()] = change.after;
    }
    for (const Rule& rule : delta.added) {
      REQUIRE(rules_.emplace(rule.key_hash(), rule).second);
    }
  }
  Program program() const {
    Program program;
    for (const auto& [key, rule] : rules_) program.rules.push_back(rule);
    std::sort(program.rules.begin(), program.rules.end());
    return program;
  }

 private:
  std::map<std::uint64_t, Rule> rules_;
};

std::uint64_t below(Rng& rng, std::uint64_t limit) { return rng.next() % limit; }

Ipv4 some_address(Rng& rng) {
  // Few enough for collisions: pods, endpoints and nodes that share addresses.
  return Ipv4{0x0af40000U + static_cast<std::uint32_t>(below(rng, 3) * 256 + below(rng, 6))};
}

template <class T>
void drop_one(Rng& rng, std::vector<T>& from) {
  if (!from.empty())
    from.erase(from.begin() + static_cast<std::ptrdiff_t>(below(rng, from.size())));
}

Service some_service(Rng& rng) {
  Service service;
  service.name = "shop/s" + std::to_string(below(rng, 4));
  service.cluster_ip = Ipv4{0x0a600000U + static_cast<std::uint32_t>(below(rng, 4))};
  for (std::uint64_t i = below(rng, 3); i-- > 0;) {
    ServicePort port;
    port.port = static_cast<std::uint16_t>(80 + below(rng, 2));
    port.proto = below(rng, 2) == 0 ? Proto::kTcp : Proto::kUdp;
    port.node_port = static_cast<std::uint16_t>(below(rng, 3) == 0 ? 0 : 30000 + below(rng, 3));
    for (std::uint64_t j = below(rng, 4); j-- > 0;) {
      port.endpoints.push_back(Endpoint{some_address(rng),
                                        static_cast<std::uint16_t>(8080 + below(rng, 2)), "",
                                        below(rng, 2) == 0});
    }
    service.ports.push_back(port);
  }
  return service;
}

void step(Rng& rng, Intent& intent) {
  switch (below(rng, 12)) {
    case 0:
    case 1:
      intent.attachments.push_back(
          Attachment{"c" + std::to_string(below(rng, 5)), "p", "eth0",
                     below(rng, 2) == 0 ? PortId::host()
                                        : PortId::vf(static_cast<std::uint16_t>(below(rng, 3))),
                     MacAddr{{2, 0, 0, 0, 1, static_cast<std::uint8_t>(below(rng, 4))}},
                     some_address(rng), ""});
      for (std::uint64_t i = below(rng, 3); i-- > 0;) {
        const Ipv4 addresses[] = {{}, ip("172.30.0.11"), ip("10.244.1.1"), ip("127.0.0.1")};
        intent.attachments.back().host_ports.push_back(
            HostPort{below(rng, 2) == 0 ? Proto::kTcp : Proto::kUdp,
                     static_cast<std::uint16_t>(30000 + below(rng, 3)),
                     static_cast<std::uint16_t>(8080 + below(rng, 2)), addresses[below(rng, 4)]});
      }
      break;
    case 2:
      drop_one(rng, intent.attachments);
      break;
    case 3:
    case 4:
    case 5:
      intent.services.push_back(some_service(rng));
      break;
    case 6:
      drop_one(rng, intent.services);
      break;
    case 7:
      intent.next_hops.push_back(NextHop{
          static_cast<std::uint32_t>(1 + below(rng, 3)), some_address(rng),
          MacAddr{{2, 0, 0, 0, 2, static_cast<std::uint8_t>(below(rng, 3))}}, below(rng, 3) != 0});
      break;
    case 8:
      drop_one(rng, intent.next_hops);
      break;
    case 9:
      intent.outer_routes.push_back(
          OuterRoute{ip("172.30.0.12"), static_cast<std::uint32_t>(1 + below(rng, 3))});
      break;
    case 10:
      drop_one(rng, intent.outer_routes);
      break;
    default:
      if (below(rng, 3) == 0) intent.vni = static_cast<std::uint32_t>(below(rng, 2));
      if (below(rng, 6) == 0) intent.self = below(rng, 3) == 0 ? "nobody" : "node-a";
  }
}

}  // namespace

TEST_CASE("random events: the incremental program and its deltas equal planning from scratch") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    SeededRng rng(seed);
    Intent intent = node_a();
    planner::Planner planner;
    Installed installed;
    Program before;
    for (int i = 0; i < 60; ++i) {
      CAPTURE(i);
      for (std::uint64_t n = below(rng, 3); n-- > 0;) step(rng, intent);
      const Delta delta = planner.update(intent);
      const Program whole = planner::plan(intent);
      REQUIRE(planner.program() == whole);
      const Delta wanted = diff(before, whole);
      CHECK(delta.added == wanted.added);
      CHECK(delta.removed == wanted.removed);
      CHECK(delta.changed.size() == wanted.changed.size());
      installed.apply(delta);
      REQUIRE(installed.program() == whole);
      before = whole;
    }
  }
}

TEST_CASE("nothing changed: an empty delta; one endpoint changed: its two rules") {
  planner::Planner planner;
  Intent intent = node_a();
  CHECK(planner.update(intent).added.size() == planner::plan(intent).rules.size());
  CHECK(planner.update(intent).empty());
  intent.services[0].ports[0].endpoints.push_back(Endpoint{ip("10.244.2.11"), 8080, "node-b"});
  const Delta delta = planner.update(intent);
  CHECK(delta.added.size() == 2);
  CHECK(delta.removed.empty());
  CHECK(delta.changed.empty());
  intent.services[0].ports[0].endpoints.back().ready = false;  // the slow path's business
  CHECK(planner.update(intent).empty());
}

TEST_CASE("a pod that moves to another port changes its rule, it does not lose it") {
  planner::Planner planner;
  Intent intent = node_a();
  (void)planner.update(intent);
  intent.attachments[0].port = PortId::vf(5);
  const Delta delta = planner.update(intent);
  REQUIRE(delta.changed.size() == 1);
  CHECK(delta.changed[0].after.stage == Stage::kForward);
  CHECK(delta.changed[0].after.match.ip_dst == Prefix4{ip("10.244.1.10"), 32});
}
