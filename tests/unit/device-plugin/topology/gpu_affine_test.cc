// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "common/base/clock.h"
#include "device-plugin/topology/preferred.h"
#include "tests/unit/device-plugin/topology/server.h"

namespace sluice::topology {
namespace {

using config::Policy;
using test::ids_of;
using test::Path;
using test::Server;
using Ids = std::vector<std::string>;

std::vector<Path> gpus(const std::vector<std::uint32_t>& numbers) {
  std::vector<Path> paths;
  for (const auto number : numbers) paths.push_back(Server::gpu(number));
  return paths;
}

Ids sorted(Ids ids) {
  std::sort(ids.begin(), ids.end());
  return ids;
}

TEST_CASE("Distance: nearer below one switch than below one root, and that than elsewhere") {
  const auto full = [](std::uint32_t number, std::uint32_t slot) {
    Path path = Server::bridges(number, slot);
    path.push_back(Server::device(number, slot));
    return path;
  };
  const std::string left = "pci0000:00", right = "pci0000:80";
  CHECK(distance(full(0, 0), left, full(0, 0), left) == 0);
  const auto same_switch = distance(full(0, 0), left, full(0, 2), left);
  CHECK(same_switch == 2);  // two levels of theirs are not shared
  // One more switch below the first one's port.
  Path deep = Server::bridges(0, 3);
  deep.push_back(Server::at(0x40, 0));
  deep.push_back(Server::at(0x41, 0));
  deep.push_back(Server::at(0x42, 0));
  const auto deeper = distance(full(0, 0), left, deep, left);
  CHECK(deeper == 4);
  const auto same_root = distance(full(0, 0), left, full(1, 0), left);
  const auto other_root = distance(full(0, 0), left, full(2, 0), right);
  CHECK(deeper < same_root);
  CHECK(same_root < other_root);
  CHECK(distance(full(2, 0), right, full(0, 0), left) == other_root);
  CHECK(distance({}, left, full(0, 0), left) == same_root);
}

TEST_CASE("The NICs of the GPUs' switches") {
  struct Row {
    std::string why;
    std::vector<std::uint32_t> gpu_numbers;
    std::size_t size;
    Ids must, expected;
  };
  const std::vector<Row> rows = {
      {"one for one", {5}, 1, {}, {"nic4"}},
      {"two for one: both of its switch", {5}, 2, {}, {"nic4", "nic5"}},
      {"one for each of two switches", {2, 6}, 2, {}, {"nic2", "nic6"}},
      {"two GPUs of one switch", {6, 7}, 2, {}, {"nic6", "nic7"}},
      {"two for each", {0, 4}, 4, {}, {"nic0", "nic1", "nic4", "nic5"}},
      {"all for all",
       {0, 1, 2, 3, 4, 5, 6, 7},
       8,
       {},
       {"nic0", "nic1", "nic2", "nic3", "nic4", "nic5", "nic6", "nic7"}},
      {"fewer NICs than GPUs", {0, 3, 7}, 1, {}, {"nic0"}},
      {"the switch is empty: the neighbour of its root", {2}, 3, {}, {"nic0", "nic2", "nic3"}},
      {"what must be there serves one GPU, the other gets its own",
       {2, 6},
       2,
       {"nic3"},
       {"nic3", "nic6"}},
      {"what must be there is far", {6}, 2, {"nic0"}, {"nic0", "nic6"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto places = Server::ports();
    const Request request{ids_of(places), row.must, row.size};
    CHECK(sorted(preferred(Policy::kGpuAffine, request, places, gpus(row.gpu_numbers))) ==
          row.expected);
  }
}

TEST_CASE("VFs: as many as wanted from the PFs of the switch, from few PFs") {
  std::vector<Place> places;
  for (std::uint32_t index = 0; index < 4; ++index) {
    for (std::uint32_t number = 0; number < Server::kNics; ++number) {
      places.push_back(Server::vf(number, index, 4));
    }
  }
  const auto answer =
      sorted(preferred(Policy::kGpuAffine, {ids_of(places), {}, 4}, places, gpus({6})));
  CHECK(answer == Ids{"nic6vf0", "nic6vf1", "nic6vf2", "nic6vf3"});
  CHECK(sorted(preferred(Policy::kGpuAffine, {ids_of(places), {}, 2}, places, gpus({1, 7}))) ==
        Ids{"nic0vf0", "nic6vf0"});
}

TEST_CASE("Where no root is shared, the NUMA node says who is nearer") {
  // Each switch below a root of its own, as on some servers.
  auto places = Server::ports();
  auto paths = gpus({0, 2, 4, 6});
  const auto own_root = [](Path& path, std::uint32_t number) {
    path.front().bus = static_cast<std::uint8_t>(0x08 + 0x40 * number);
  };
  for (std::uint32_t n = 0; n < Server::kNics; ++n) own_root(places[n].pcie_path, n / 2);
  for (std::uint32_t s = 0; s < Server::kSwitches; ++s) own_root(paths[s], s);
  // NICs 4 and 5 (beside GPU 4) and 6 and 7 are on node 1: of GPU 4's own all are wanted and more.
  std::reverse(places.begin(), places.begin() + 4);
  CHECK(sorted(preferred(Policy::kGpuAffine, {ids_of(places), {}, 4}, places, {paths[2]})) ==
        Ids{"nic4", "nic5", "nic6", "nic7"});
}

TEST_CASE("Without GPUs it is packed") {
  const auto places = Server::ports();
  const Request request{{"nic7", "nic1", "nic6"}, {}, 2};
  CHECK(preferred(Policy::kGpuAffine, request, places, {}) == Ids{"nic7", "nic6"});
  CHECK(preferred(Policy::kGpuAffine, request, places, {Path{}}) == Ids{"nic7", "nic6"});
}

// --- against trying everything ---

constexpr std::uint64_t kImpossible = ~std::uint64_t{0};

std::uint64_t between(const Path& gpu, const Place& place) {
  Path own = place.pcie_path;
  own.push_back(*nic::PciAddress::parse(place.pf));
  const auto root = [](const Path& path) { return path.front().bus == 0 ? "left" : "right"; };
  return distance(gpu, root(gpu), own, root(own));
}

// The least sum for these NICs: each serves one GPU, each GPU is served by size / GPUs of them,
// rounded down or up.
std::uint64_t best_service(const std::vector<Path>& paths, const std::vector<Place>& nics,
                           std::size_t at, std::vector<std::size_t>& served) {
  const std::size_t least = nics.size() / paths.size();
  if (at == nics.size()) {
    const bool fair = std::all_of(served.begin(), served.end(),
                                  [&](std::size_t n) { return n >= least && n <= least + 1; });
    return fair ? 0 : kImpossible;
  }
  std::uint64_t best = kImpossible;
  for (std::size_t g = 0; g < paths.size(); ++g) {
    ++served[g];
    const auto rest = best_service(paths, nics, at + 1, served);
    --served[g];
    if (rest != kImpossible) best = std::min(best, rest + between(paths[g], nics[at]));
  }
  return best;
}

std::uint64_t sum_of(const std::vector<Path>& paths, const std::vector<Place>& nics) {
  std::vector<std::size_t> served(paths.size());
  return best_service(paths, nics, 0, served);
}

TEST_CASE("The answer is as near as the best of all answers") {
  SeededRng rng(3);
  const auto below = [&](std::size_t limit) { return rng.next() % limit; };
  for (int round = 0; round < 250; ++round) {
    CAPTURE(round);
    std::vector<Place> places;
    while (places.size() < 7) {
      const auto place = Server::vf(static_cast<std::uint32_t>(below(Server::kNics)),
                                    static_cast<std::uint32_t>(below(3)), 3);
      const auto same = [&](const Place& other) { return other.id == place.id; };
      if (std::none_of(places.begin(), places.end(), same)) places.push_back(place);
    }
    std::vector<Path> paths;
    for (std::size_t n = 1 + below(3); n > 0; --n) {
      paths.push_back(Server::gpu(static_cast<std::uint32_t>(below(8))));
    }
    Request request{ids_of(places), {}, 1 + below(4)};
    if (below(2) == 0) request.must_include = {request.available[below(7)]};

    const auto answer = preferred(Policy::kGpuAffine, request, places, paths);
    REQUIRE(answer.size() == request.size);
    std::vector<Place> chosen;
    for (const auto& place : places) {
      if (std::count(answer.begin(), answer.end(), place.id) != 0) chosen.push_back(place);
    }
    std::uint64_t best = kImpossible;
    for (unsigned mask = 0; mask < (1U << places.size()); ++mask) {
      std::vector<Place> subset;
      std::set<std::string> ids;
      for (std::size_t i = 0; i < places.size(); ++i) {
        if ((mask >> i & 1U) == 0) continue;
        subset.push_back(places[i]);
        ids.insert(places[i].id);
      }
      const bool has_must = request.must_include.empty() || ids.count(request.must_include[0]) != 0;
      if (subset.size() == request.size && has_must) best = std::min(best, sum_of(paths, subset));
    }
    REQUIRE(sum_of(paths, chosen) == best);
  }
}

}  // namespace
}  // namespace sluice::topology
