// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/connection_store.h"

#include <doctest/doctest.h>

#include <map>

#include "common/base/clock.h"

namespace sluice::slowpath {
namespace {

Connection made(std::uint32_t n, std::uint32_t answers) {
  Connection c;
  c.id = n + 1;
  c.original = Tuple{Ipv4{n}, Ipv4{1}, 1000, 80, 17, {}};
  c.reply = Tuple{Ipv4{2}, Ipv4{answers}, 8080, 1000, 17, {}};
  return c;
}

TEST_CASE("both directions are found, and gone after erase") {
  HeapStore store(8, 1);
  const auto slot = store.insert(made(5, 5));
  REQUIRE(slot.has_value());
  const auto forward = store.find(made(5, 5).original);
  const auto reply = store.find(made(5, 5).reply);
  REQUIRE(forward.has_value());
  REQUIRE(reply.has_value());
  CHECK(forward->slot == *slot);
  CHECK(forward->direction == Direction::kForward);
  CHECK(reply->direction == Direction::kReply);
  store.erase(*slot);
  CHECK_FALSE(store.find(made(5, 5).original).has_value());
  CHECK_FALSE(store.find(made(5, 5).reply).has_value());
  CHECK(store.size() == 0);
}

TEST_CASE("a tuple belongs to one connection only") {
  HeapStore store(8, 1);
  REQUIRE(store.insert(made(1, 1)).has_value());
  CHECK_FALSE(store.insert(made(1, 9)).has_value());
  CHECK_FALSE(store.insert(made(2, 1)).has_value());
  CHECK(store.size() == 1);
  CHECK_FALSE(store.find(made(2, 1).original).has_value());
}

TEST_CASE("a full store refuses, and has room again after erase") {
  HeapStore store(2, 1);
  const auto a = store.insert(made(1, 1));
  REQUIRE(store.insert(made(2, 2)).has_value());
  CHECK_FALSE(store.insert(made(3, 3)).has_value());
  store.erase(*a);
  CHECK(store.insert(made(3, 3)).has_value());
}

TEST_CASE("any order of inserts and erases agrees with a map") {
  HeapStore store(500, 7);
  std::map<std::uint32_t, Slot> model;
  SeededRng rng(3);
  for (int step = 0; step < 20000; ++step) {
    const auto n = static_cast<std::uint32_t>(rng.next() % 700);
    if (const auto known = model.find(n); known != model.end()) {
      store.erase(known->second);
      model.erase(known);
    } else if (const auto slot = store.insert(made(n, n))) {
      model[n] = *slot;
    } else {
      CHECK(model.size() == 500);
    }
  }
  CHECK(store.size() == model.size());
  for (std::uint32_t n = 0; n < 700; ++n) {
    const auto hit = store.find(made(n, n).reply);
    CHECK(hit.has_value() == model.contains(n));
    if (hit) CHECK(hit->slot == model[n]);
  }
}

}  // namespace
}  // namespace sluice::slowpath
