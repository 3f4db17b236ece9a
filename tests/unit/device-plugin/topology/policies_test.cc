// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "common/base/clock.h"
#include "device-plugin/topology/preferred.h"
#include "tests/unit/device-plugin/topology/server.h"

namespace sluice::topology {
namespace {

using config::Policy;
using test::ids_of;
using test::Server;
using Ids = std::vector<std::string>;

// VFs by PF: {{0, {0, 1}}, ...} are nic0vf0 and nic0vf1, all of them free.
std::vector<Place> vfs(
    const std::vector<std::pair<std::uint32_t, std::vector<std::uint32_t>>>& by_nic) {
  std::vector<Place> places;
  for (const auto& [number, indexes] : by_nic) {
    for (const auto index : indexes) {
      places.push_back(Server::vf(number, index, static_cast<std::uint32_t>(indexes.size())));
    }
  }
  return places;
}

Ids choose(Policy policy, const std::vector<Place>& places, std::size_t size,
           const Ids& must = {}) {
  return preferred(policy, {ids_of(places), must, size}, places, {});
}

TEST_CASE("packed") {
  const auto places = vfs({{0, {0, 1, 2, 3}}, {1, {0, 1}}, {2, {0, 1, 2}}});
  struct Row {
    std::string why;
    std::size_t size;
    Ids must, expected;
  };
  const std::vector<Row> rows = {
      {"the fullest PF", 1, {}, {"nic1vf0"}},
      {"the fullest that has room", 3, {}, {"nic2vf0", "nic2vf1", "nic2vf2"}},
      {"one PF instead of two", 4, {}, {"nic0vf0", "nic0vf1", "nic0vf2", "nic0vf3"}},
      {"two PFs, not three: the largest, then the fullest that has the rest",
       6,
       {},
       {"nic0vf0", "nic0vf1", "nic0vf2", "nic0vf3", "nic1vf0", "nic1vf1"}},
      {"the PF that is used anyway", 2, {"nic0vf2"}, {"nic0vf2", "nic0vf0"}},
      {"used PF first, then the rest",
       4,
       {"nic1vf1"},
       {"nic1vf1", "nic1vf0", "nic2vf0", "nic2vf1"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(choose(Policy::kPacked, places, row.size, row.must) == row.expected);
  }
}

TEST_CASE("packed: what is free on a PF counts, not what the kubelet offers of it") {
  auto places = vfs({{0, {0, 1}}, {1, {0, 1}}});
  for (auto& place : places) place.free_on_pf = place.rail == 0 ? 8 : 2;
  CHECK(choose(Policy::kPacked, places, 2) == Ids{"nic1vf0", "nic1vf1"});
}

TEST_CASE("packed: where PFs are equal, one NUMA node") {
  // NICs 0-3 are on node 0, 4-7 on node 1.
  const auto places = vfs({{4, {0}}, {0, {0}}, {5, {0}}, {1, {0}}});
  CHECK(choose(Policy::kPacked, places, 2) == Ids{"nic4vf0", "nic5vf0"});
  CHECK(choose(Policy::kPacked, places, 2, {"nic1vf0"}) == Ids{"nic1vf0", "nic0vf0"});
}

TEST_CASE("spread") {
  const auto places = vfs({{0, {0, 1}}, {1, {0, 1, 2, 3}}, {2, {0, 1, 2}}});
  struct Row {
    std::string why;
    std::size_t size;
    Ids must, expected;
  };
  const std::vector<Row> rows = {
      {"the emptiest PF", 1, {}, {"nic1vf0"}},
      {"one of each, most free first", 3, {}, {"nic1vf0", "nic2vf0", "nic0vf0"}},
      {"then again", 4, {}, {"nic1vf0", "nic2vf0", "nic0vf0", "nic1vf1"}},
      {"what is there already counts", 2, {"nic1vf3"}, {"nic1vf3", "nic2vf0"}},
      {"all there is",
       9,
       {},
       {"nic1vf0", "nic2vf0", "nic0vf0", "nic1vf1", "nic2vf1", "nic0vf1", "nic1vf2", "nic2vf2",
        "nic1vf3"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(choose(Policy::kSpread, places, row.size, row.must) == row.expected);
  }
}

TEST_CASE("rail") {
  const auto places = vfs({{0, {0, 2}}, {1, {1, 2}}, {2, {0, 1, 2}}, {3, {1}}});
  struct Row {
    std::string why;
    std::size_t size;
    Ids must, expected;
  };
  const std::vector<Row> rows = {
      {"the index that is on as many rails as needed", 3, {}, {"nic0vf2", "nic1vf2", "nic2vf2"}},
      {"of several such, the first that is offered", 2, {}, {"nic0vf0", "nic2vf0"}},
      {"the index of what must be there", 2, {"nic1vf1"}, {"nic1vf1", "nic2vf1"}},
      {"a rail that has not got it gets another one",
       4,
       {},
       {"nic0vf2", "nic1vf2", "nic2vf2", "nic3vf1"}},
      {"no rail twice before all had one, and then an index that is there already",
       6,
       {},
       {"nic0vf2", "nic1vf2", "nic2vf2", "nic3vf1", "nic1vf1", "nic2vf1"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(choose(Policy::kRail, places, row.size, row.must) == row.expected);
  }
}

TEST_CASE("rail: of more rails than needed, those of one NUMA node") {
  const auto places = vfs({{6, {0}}, {0, {0}}, {1, {0}}, {7, {0}}});
  CHECK(choose(Policy::kRail, places, 2) == Ids{"nic6vf0", "nic7vf0"});
}

TEST_CASE("Whatever is asked, there is an answer with as many as there are, none twice") {
  for (const auto policy : {Policy::kPacked, Policy::kSpread, Policy::kRail, Policy::kGpuAffine}) {
    CAPTURE(static_cast<int>(policy));
    const auto places = vfs({{0, {0, 1}}, {1, {0}}});
    const std::vector<test::Path> gpus = {Server::gpu(0), {}};
    // Devices that nobody knows come last; what must be there may be unknown, too.
    CHECK(preferred(policy, {{"stranger", "nic0vf0"}, {}, 2}, places, gpus) ==
          Ids{"nic0vf0", "stranger"});
    CHECK(preferred(policy, {{"stranger", "nic0vf0"}, {"stranger"}, 2}, places, gpus) ==
          Ids{"stranger", "nic0vf0"});
    CHECK(preferred(policy, {{"a", "b", "a"}, {"b", "b"}, 3}, {}, gpus) == Ids{"b", "a"});
    CHECK(preferred(policy, {{"nic0vf0"}, {"nic0vf0", "nic1vf0"}, 1}, places, gpus) ==
          Ids{"nic0vf0"});
    CHECK(preferred(policy, {{"nic0vf0"}, {}, 0}, places, gpus).empty());
    CHECK(preferred(policy, {{}, {}, 3}, places, gpus).empty());
    CHECK(preferred(policy, {ids_of(places), {}, 1000}, places, gpus).size() == 3);
  }
}

// --- properties over random inventories ---

struct Scene {
  std::vector<Place> places;
  Request request;
  std::vector<test::Path> gpus;
};

std::size_t below(Rng& rng, std::size_t limit) { return rng.next() % limit; }

template <class T>
void shuffle(std::vector<T>& values, Rng& rng) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(rng, i)]);
}

Scene random_scene(Rng& rng) {
  Scene scene;
  for (std::uint32_t number = 0; number < Server::kNics; ++number) {
    const auto count = static_cast<std::uint32_t>(below(rng, 5));
    for (std::uint32_t index = 0; index < count; ++index) {
      scene.places.push_back(Server::vf(number, index, count));
    }
  }
  scene.request.available = ids_of(scene.places);
  shuffle(scene.request.available, rng);
  for (const auto& id : scene.request.available) {
    if (below(rng, 8) == 0) scene.request.must_include.push_back(id);
  }
  const std::size_t must = scene.request.must_include.size();
  scene.request.size = must + below(rng, scene.request.available.size() - must + 1);
  for (std::size_t n = below(rng, 4); n > 0; --n) {
    scene.gpus.push_back(Server::gpu(static_cast<std::uint32_t>(below(rng, 8))));
  }
  return scene;
}

TEST_CASE("The answer doesn't depend on the order of what is known, and has what it must") {
  SeededRng rng(1);
  for (int round = 0; round < 400; ++round) {
    auto scene = random_scene(rng);
    for (const auto policy :
         {Policy::kPacked, Policy::kSpread, Policy::kRail, Policy::kGpuAffine}) {
      CAPTURE(round);
      CAPTURE(static_cast<int>(policy));
      const auto answer = preferred(policy, scene.request, scene.places, scene.gpus);
      shuffle(scene.places, rng);
      REQUIRE(preferred(policy, scene.request, scene.places, scene.gpus) == answer);
      REQUIRE(answer.size() == scene.request.size);
      REQUIRE(std::set<std::string>(answer.begin(), answer.end()).size() == answer.size());
      REQUIRE(std::equal(scene.request.must_include.begin(), scene.request.must_include.end(),
                         answer.begin()));
    }
  }
}

std::map<std::string, std::size_t> per_pf(const Ids& ids) {
  std::map<std::string, std::size_t> counts;
  for (const auto& id : ids) ++counts[id.substr(0, id.find("vf"))];
  return counts;
}

TEST_CASE("packed needs as few PFs, and spread as many, as any answer, in any order") {
  SeededRng rng(2);
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    auto scene = random_scene(rng);
    scene.request.must_include.clear();
    const auto free = per_pf(scene.request.available);
    std::vector<std::size_t> sizes;
    for (const auto& [pf, count] : free) sizes.push_back(count);
    std::sort(sizes.rbegin(), sizes.rend());
    std::size_t least = 0, room = 0;
    while (room < scene.request.size) room += sizes[least++];
    const auto most = std::min(scene.request.size, free.size());
    for (int order = 0; order < 3; ++order) {
      shuffle(scene.request.available, rng);
      REQUIRE(per_pf(preferred(Policy::kPacked, scene.request, scene.places, {})).size() == least);
      REQUIRE(per_pf(preferred(Policy::kSpread, scene.request, scene.places, {})).size() == most);
    }
  }
}

}  // namespace
}  // namespace sluice::topology
