// SPDX-License-Identifier: Apache-2.0
// NICs for GPUs: a transport problem, solved exactly.
//
// Each GPU gets the same number of NICs, one more for some where that doesn't come out even; the
// sum of the distances is the least possible. Devices in the same place are one node of the network
// with their number as capacity, so hundreds of VFs cost no more than their PFs do.
#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <tuple>

#include "device-plugin/topology/policies.h"

namespace sluice::topology {
namespace {

// Compared from left to right: first what must be, then what every GPU is due, then nearness, then
// the NUMA node, then the order of `available`. Negative is a gain.
using Cost = std::array<std::int64_t, 5>;

Cost operator+(const Cost& a, const Cost& b) {
  Cost out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = a[i] + b[i];
  return out;
}

Cost operator-(const Cost& a) {
  Cost out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = -a[i];
  return out;
}

// Least-cost flow by successive shortest paths: after k augmentations the flow is the cheapest of
// all flows of k units.
class Network {
 public:
  explicit Network(std::size_t nodes) : edges_of_(nodes) {}

  std::size_t add_edge(std::size_t from, std::size_t to, std::size_t capacity, const Cost& cost) {
    edges_of_[from].push_back(edges_.size());
    edges_.push_back({to, capacity, cost});
    edges_of_[to].push_back(edges_.size());
    edges_.push_back({from, 0, -cost});
    return edges_.size() - 2;
  }

  // One unit more; false: no more fit.
  bool augment(std::size_t source, std::size_t sink) {
    std::vector<std::optional<Cost>> best(edges_of_.size());
    std::vector<std::size_t> by(edges_of_.size());
    std::vector<bool> queued(edges_of_.size());
    std::deque<std::size_t> queue{source};
    best[source] = Cost{};
    while (!queue.empty()) {
      const std::size_t at = queue.front();
      queue.pop_front();
      queued[at] = false;
      for (const std::size_t e : edges_of_[at]) {
        const Edge& edge = edges_[e];
        if (edge.left == 0) continue;
        const Cost cost = *best[at] + edge.cost;
        if (best[edge.to] && *best[edge.to] <= cost) continue;
        best[edge.to] = cost;
        by[edge.to] = e;
        if (!queued[edge.to]) queue.push_back(edge.to);
        queued[edge.to] = true;
      }
    }
    if (!best[sink]) return false;
    for (std::size_t at = sink; at != source; at = edges_[by[at] ^ 1U].to) {
      --edges_[by[at]].left;
      ++edges_[by[at] ^ 1U].left;
    }
    return true;
  }

  std::size_t flow(std::size_t edge) const { return edges_[edge ^ 1U].left; }

 private:
  struct Edge {
    std::size_t to = 0;
    std::size_t left = 0;
    Cost cost{};
  };
  std::vector<Edge> edges_;  // an edge and its way back beside each other
  std::vector<std::vector<std::size_t>> edges_of_;
};

// A root port is on its root's own bus, so the first address of a path names the root.
std::string root_of(const std::vector<nic::PciAddress>& path) {
  return std::to_string(path.front().domain) + ":" + std::to_string(path.front().bus);
}

// Devices that are all as good as each other.
struct Spot {
  std::vector<nic::PciAddress> path;  // empty: nobody knows where it is
  std::optional<int> numa_node;
  bool taken = false;
  std::vector<std::size_t> items;  // into `free`
  std::size_t count = 0;
};

std::vector<Spot> spots_of(const Problem& problem) {
  std::vector<Spot> spots;
  std::map<std::tuple<bool, std::string, std::vector<nic::PciAddress>>, std::size_t> at;
  const auto add = [&](const Place& place, bool taken) -> Spot& {
    const auto [found, is_new] =
        at.emplace(std::make_tuple(taken, place.pf, place.pcie_path), spots.size());
    if (is_new) {
      auto path = place.pcie_path;
      // Its own place below the last bridge, as the GPUs' paths have it.
      if (const auto own = nic::PciAddress::parse(place.pf)) path.push_back(*own);
      spots.push_back({std::move(path), place.numa_node, taken, {}, 0});
    }
    ++spots[found->second].count;
    return spots[found->second];
  };
  for (const auto& item : problem.taken) add(item.place, true);
  for (std::size_t i = 0; i < problem.free.size(); ++i) {
    add(problem.free[i].place, false).items.push_back(i);
  }
  return spots;
}

Cost cost_between(const std::vector<nic::PciAddress>& gpu, const Spot& spot, std::size_t rank,
                  const std::map<std::string, int>& node_of_root) {
  Cost cost{};
  const bool known = !spot.path.empty();
  cost[2] = known ? distance(gpu, root_of(gpu), spot.path, root_of(spot.path))
                  : std::numeric_limits<std::uint32_t>::max();
  const auto node = node_of_root.find(root_of(gpu));
  cost[3] = node != node_of_root.end() && spot.numa_node && *spot.numa_node != node->second ? 1 : 0;
  cost[4] = static_cast<std::int64_t>(rank);
  return cost;
}

}  // namespace

Picks gpu_affine(const Problem& problem) {
  const auto spots = spots_of(problem);
  const std::size_t gpus = problem.gpus.size();
  const std::size_t size = problem.taken.size() + problem.need;
  const std::size_t source = 0, first_gpu = 1, first_spot = first_gpu + gpus;
  const std::size_t sink = first_spot + spots.size();
  Network network(sink + 1);

  // Between GPUs and NICs of different roots, the NUMA node says who is nearer. A GPU's is that of
  // a NIC below the same root.
  std::map<std::string, int> node_of_root;
  for (const auto& spot : spots) {
    if (!spot.path.empty() && spot.numa_node) {
      node_of_root.emplace(root_of(spot.path), *spot.numa_node);
    }
  }
  const std::size_t each = size / gpus;
  for (std::size_t g = 0; g < gpus; ++g) {
    network.add_edge(source, first_gpu + g, each, Cost{0, -1, 0, 0, 0});
    network.add_edge(source, first_gpu + g, 1, Cost{});
    for (std::size_t s = 0; s < spots.size(); ++s) {
      network.add_edge(first_gpu + g, first_spot + s, spots[s].count,
                       cost_between(problem.gpus[g], spots[s], s, node_of_root));
    }
  }
  std::vector<std::size_t> edges;
  for (std::size_t s = 0; s < spots.size(); ++s) {
    edges.push_back(network.add_edge(first_spot + s, sink, spots[s].count,
                                     Cost{spots[s].taken ? -1 : 0, 0, 0, 0, 0}));
  }
  for (std::size_t n = 0; n < size && network.augment(source, sink); ++n) {
  }
  Picks picks;
  for (std::size_t s = 0; s < spots.size(); ++s) {
    const std::size_t count = std::min(network.flow(edges[s]), spots[s].items.size());
    picks.insert(picks.end(), spots[s].items.begin(),
                 spots[s].items.begin() + static_cast<std::ptrdiff_t>(count));
  }
  std::sort(picks.begin(), picks.end());
  return picks;
}

}  // namespace sluice::topology
