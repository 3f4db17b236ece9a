// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/topology/preferred.h"

#include <algorithm>
#include <map>
#include <set>

#include "device-plugin/topology/policies.h"

namespace sluice::topology {
namespace {

Picks pick(config::Policy policy, const Problem& problem) {
  switch (policy) {
    case config::Policy::kPacked:
      return packed(problem);
    case config::Policy::kSpread:
      return spread(problem);
    case config::Policy::kRail:
      return rail(problem);
    case config::Policy::kGpuAffine:
      return problem.gpus.empty() ? packed(problem) : gpu_affine(problem);
  }
  return {};
}

}  // namespace

std::vector<std::string> preferred(config::Policy policy, const Request& request,
                                   const std::vector<Place>& places,
                                   const std::vector<std::vector<nic::PciAddress>>& gpus) {
  std::map<std::string, const Place*> place_of;
  for (const auto& place : places) place_of.emplace(place.id, &place);

  std::vector<std::string> out;
  std::set<std::string> seen;
  const auto give = [&](const std::string& id) {
    if (out.size() < request.size && seen.insert(id).second) out.push_back(id);
  };
  for (const auto& id : request.must_include) give(id);

  Problem problem;
  for (const auto& path : gpus) {
    if (!path.empty()) problem.gpus.push_back(path);
  }
  for (const auto& id : out) {
    const auto found = place_of.find(id);
    if (found != place_of.end()) problem.taken.push_back({id, *found->second});
  }
  std::set<std::string> listed = seen;
  for (const auto& id : request.available) {
    const auto found = place_of.find(id);
    if (found != place_of.end() && listed.insert(id).second) {
      problem.free.push_back({id, *found->second});
    }
  }
  problem.need = std::min(request.size - out.size(), problem.free.size());
  for (const auto i : pick(policy, problem)) give(problem.free[i].id);
  // What the kubelet offers and nobody knows the place of: better than an answer with too few.
  for (const auto& id : request.available) give(id);
  return out;
}

}  // namespace sluice::topology
