// SPDX-License-Identifier: Apache-2.0
#include "offload/host/next_hop_table.h"

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::host;

namespace {
Ipv4 at(std::uint32_t n) { return Ipv4{0x0a000000U + n}; }
const Ipv4 kRouter{0xc0000201}, kOther{0xc0000202};
const MacAddr kMac{{2, 0, 0, 0, 0, 1}};
}  // namespace

TEST_CASE("a next hop lives as long as a destination uses it, with one id") {
  NextHopTable table(10);
  CHECK(table.want(at(1)));
  CHECK_FALSE(table.want(at(1)));
  CHECK(table.want(at(2)));
  CHECK(table.set_route(at(1), kRouter));
  CHECK(table.set_route(at(2), kRouter));
  CHECK_FALSE(table.set_route(at(2), kRouter));
  REQUIRE(table.next_hops().size() == 1);
  const auto id = table.next_hops()[0].id;
  CHECK(id == 1);
  CHECK(table.routes() == std::vector<model::OuterRoute>{{at(1), id}, {at(2), id}});
  CHECK(table.set_mac(kRouter, kMac));
  CHECK_FALSE(table.set_mac(kRouter, kMac));
  CHECK(table.next_hops()[0].resolved);
  CHECK(table.set_mac(kRouter, {}));
  CHECK_FALSE(table.next_hops()[0].resolved);

  CHECK(table.set_route(at(1), kOther));
  CHECK(table.next_hops().size() == 2);
  CHECK(table.set_route(at(2), std::nullopt));
  REQUIRE(table.next_hops().size() == 1);
  CHECK(table.next_hops()[0].ip == kOther);
  CHECK(table.routes() == std::vector<model::OuterRoute>{{at(1), 2}});
  // The old id isn't reused at once.
  CHECK(table.set_route(at(2), kRouter));
  CHECK(table.routes()[1].next_hop == 3);
  CHECK_FALSE(table.set_route(at(9), kRouter));  // not wanted
  CHECK_FALSE(table.set_mac(at(9), kMac));
}

TEST_CASE("the least recently wanted goes first, kept ones never") {
  NextHopTable table(3);
  for (std::uint32_t n : {1U, 2U, 3U}) {
    table.want(at(n));
    table.set_route(at(n), kRouter);
  }
  table.keep({at(2)});
  table.want(at(1));  // now 2 is the oldest, but kept; then 3
  CHECK(table.want(at(4)));
  CHECK(table.destinations() == std::vector<Ipv4>{at(1), at(2), at(4)});
  CHECK(table.want(at(5)));
  CHECK(table.destinations() == std::vector<Ipv4>{at(2), at(4), at(5)});
  table.keep({at(2), at(4), at(5)});
  CHECK_FALSE(table.want(at(6)));
  CHECK(table.destinations().size() == 3);
  CHECK(table.next_hops().size() == 1);
}

TEST_CASE("ids go round without meeting one that is used") {
  NextHopTable table(3);
  table.want(at(1));
  table.set_route(at(1), kRouter);  // id 1, for good
  table.want(at(2));
  std::uint32_t last = 1;
  for (std::uint32_t n = 0; n < model::NextHop::kMaxId + 10U; ++n) {
    table.set_route(at(2), Ipv4{0x0b000000U + n});
    const auto id = table.routes()[1].next_hop;
    REQUIRE(id != 1);
    REQUIRE(id != last);
    REQUIRE(id >= 1);
    REQUIRE(id <= model::NextHop::kMaxId);
    last = id;
  }
}

TEST_CASE("what nobody wants goes: unresolved soon, resolved late, kept never") {
  NextHopTable table(100);
  CHECK_FALSE(table.ages());
  for (std::uint32_t n : {1U, 2U, 3U, 4U, 5U}) table.want(at(n));
  table.set_route(at(1), kRouter);
  table.set_mac(kRouter, kMac);
  table.set_route(at(2), at(2));  // on-link, doesn't answer: a scan
  table.set_route(at(3), at(3));  // the same, and wanted again
  table.set_route(at(4), at(4));  // the same, and kept
  table.keep({at(4)});            // 5 has no route
  CHECK(table.ages());
  for (std::uint64_t i = 1; i < kUnresolvedTicks; ++i) CHECK_FALSE(table.tick());
  table.want(at(3));
  CHECK(table.tick());
  CHECK(table.destinations() == std::vector<Ipv4>{at(1), at(3), at(4)});
  CHECK_FALSE(table.has_next_hop(at(2)));
  CHECK(table.want(at(2)));  // as if never seen
  for (std::uint64_t i = kUnresolvedTicks; i < kIdleTicks; ++i) table.tick();
  CHECK(table.destinations() == std::vector<Ipv4>{at(4)});
  CHECK(table.next_hops().size() == 1);
  CHECK_FALSE(table.ages());
  table.keep({});
  CHECK(table.tick());
  CHECK(table.next_hops().empty());
}
