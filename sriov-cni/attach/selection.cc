// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/selection.h"

#include <set>

namespace sluice::cni {
namespace {

enum class Verdict { kOwn, kPredecessors, kDoubtful };

Verdict judge(const ListedDevice& device, const Asker& asker, const Holder& holder) {
  if (!device.claim.empty() || holder.pod != asker.pod) return Verdict::kOwn;
  if (asker.pod_uid.empty() || holder.pod_uid.empty()) return Verdict::kOwn;
  if (asker.pod_uid == holder.pod_uid) return Verdict::kOwn;
  const bool same_instance = !holder.given_by.empty() && holder.given_by == asker.instance;
  const bool later_instance = !holder.given_by.empty() && !same_instance;
  if (same_instance && device.given > holder.given) return Verdict::kOwn;
  if (later_instance && device.given > 0) return Verdict::kOwn;
  if (same_instance || holder.living) return Verdict::kPredecessors;
  return Verdict::kDoubtful;
}

}  // namespace

Selection select_own(const std::vector<ListedDevice>& listed, const Asker& asker,
                     const std::map<std::string, Holder>& holders) {
  std::vector<std::pair<const ListedDevice*, Verdict>> judged;
  std::set<std::string> seen, certain;
  for (const auto& device : listed) {
    if (!device.id.empty() && !seen.insert(device.id).second) continue;
    const auto holder = holders.find(device.id);
    const auto verdict = device.id.empty() || holder == holders.end()
                             ? Verdict::kOwn
                             : judge(device, asker, holder->second);
    if (verdict == Verdict::kOwn && device.claim.empty()) certain.insert(device.resource);
    judged.emplace_back(&device, verdict);
  }
  Selection out;
  for (const auto& [device, verdict] : judged) {
    const bool own = verdict == Verdict::kOwn ||
                     (verdict == Verdict::kDoubtful && certain.count(device->resource) == 0);
    if (own) {
      out.own.push_back(*device);
      continue;
    }
    const auto& holder = holders.at(device->id);
    out.left_out.push_back({device->id, "is of an earlier pod " + holder.pod + " (uid " +
                                            holder.pod_uid + ")" +
                                            (holder.living ? ", which still has it" : "")});
  }
  return out;
}

}  // namespace sluice::cni
