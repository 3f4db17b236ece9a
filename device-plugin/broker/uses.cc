// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/uses.h"

#include <algorithm>
#include <tuple>

#include "device-plugin/dra/front.h"

namespace sluice::broker {
namespace {

constexpr std::string_view kUnknownPod = "a pod that is being made";

}  // namespace

void Uses::listed(const PodList& pods, const Ours& ours, TimePoint now) {
  known_ = true;
  listed_.clear();
  for (const auto& pod : pods) {
    for (const auto& devices : pod.devices) {
      for (const auto& id : devices.ids) {
        if (!ours.have(devices.resource, id)) continue;
        listed_[id] = {pools::Use::Front::kDevicePlugin, devices.resource,
                       pod.pod_namespace + "/" + pod.pod};
        grants_.erase(id);
      }
    }
  }
  // While our own DRA front is away, claims that it prepared earlier are known from here only.
  for (const auto& pod : pods) {
    for (const auto& claim : pod.claims) {
      if (claim.driver != dra::kDriver) continue;
      const auto id = dra::Front::id_of(claim.device);
      if (!id || listed_.contains(*id)) continue;
      listed_[*id] = {pools::Use::Front::kDra, "",
                      "claim " + claim.claim_namespace + "/" + claim.claim};
    }
  }
  std::erase_if(grants_, [&](const auto& grant) { return now - grant.second.at > kGrantPatience; });
}

void Uses::granted(const std::string& resource, const std::vector<std::string>& ids,
                   TimePoint now) {
  for (const auto& id : ids) {
    grants_[id] = {resource, now};
    sequences_[id] = next_++;
  }
}

void Uses::claimed(const std::string& id) { sequences_[id] = next_++; }

void Uses::set_claims(std::map<std::string, pools::Use> claims) { claims_ = std::move(claims); }

std::map<std::string, pools::Use> Uses::all() const {
  std::map<std::string, pools::Use> out = claims_;
  for (const auto& [id, grant] : grants_) {
    out[id] = {pools::Use::Front::kDevicePlugin, grant.resource, std::string(kUnknownPod)};
  }
  for (const auto& [id, use] : listed_) out[id] = use;
  return out;
}

std::uint64_t Uses::sequence(const std::string& id) const {
  const auto found = sequences_.find(id);
  return found == sequences_.end() ? 0 : found->second;
}

Result<std::vector<lookup::PodDevice>> devices_of(const PodList& pods,
                                                  const std::string& pod_namespace,
                                                  const std::string& pod, const Ours& ours,
                                                  const pools::PoolSet& pools, const Uses& uses) {
  struct Place {
    std::size_t pool, device;
    auto operator<=>(const Place&) const = default;
  };
  std::map<std::string, Place> places;
  for (std::size_t p = 0; p < pools.pools().size(); ++p) {
    const auto& members = pools.pools()[p].members;
    for (std::size_t m = 0; m < members.size(); ++m) places[members[m].device.id] = {p, m};
  }
  // What is in no pool any more comes last; the kubelet still says that the pod has it.
  const auto place_of = [&](const std::string& id) {
    const auto found = places.find(id);
    return found == places.end() ? Place{places.size(), places.size()} : found->second;
  };
  std::vector<lookup::PodDevice> out;
  for (const auto& entry : pods) {
    if (entry.pod_namespace != pod_namespace || entry.pod != pod) continue;
    for (const auto& devices : entry.devices) {
      for (const auto& id : devices.ids) {
        if (!ours.have(devices.resource, id)) continue;
        out.push_back({id, devices.resource, "", uses.sequence(id)});
      }
    }
    for (const auto& claim : entry.claims) {
      if (claim.driver != dra::kDriver) continue;
      const std::string name = claim.claim_namespace + "/" + claim.claim;
      if (dra::Front::is_plain_port(claim.device)) {
        out.push_back({"", "", name, 0});
      } else if (const auto id = dra::Front::id_of(claim.device)) {
        const auto* pool = pools.pool_of(*id);
        out.push_back({*id, pool ? pool->config.resource() : "", name, uses.sequence(*id)});
      } else {
        return fail(Code::kInternal, "claim " + name + " has the device '" +
                                         claim.device.substr(0, 64) +
                                         "', which is no name of this driver's");
      }
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [&](const auto& a, const auto& b) { return place_of(a.id) < place_of(b.id); });
  return out;
}

}  // namespace sluice::broker
