// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/selection.h"

#include <algorithm>
#include <string_view>

namespace sluice::cni {
namespace {

enum class Verdict : std::uint8_t { kOwn, kPredecessors, kDoubtful };

constexpr std::size_t kRandom = 5, kMaxGenerated = 63;  // characters of a generated name

// Made from a template for a pod of this name. Both are "<namespace>/<name>".
bool is_generated(std::string_view claim, const std::string& pod) {
  const auto name_at = pod.find('/') + 1;
  const auto start = (pod + "-").substr(0, name_at + kMaxGenerated - kRandom);
  return claim.starts_with(start) && claim.size() >= start.size() + kRandom;
}

// Of the same template's entry, for two pods of one name.
bool same_template(std::string_view a, std::string_view b) {
  return a != b && a.size() == b.size() &&
         a.substr(0, a.size() - kRandom) == b.substr(0, b.size() - kRandom);
}

bool given_since(const ListedDevice& device, const Asker& asker, const Holder& holder) {
  if (holder.given_by.empty()) return false;
  if (holder.claim && *holder.claim != device.claim) return true;
  return holder.given_by == asker.instance ? device.given > holder.given : device.given > 0;
}

Verdict judge(const ListedDevice& device, const Asker& asker, const Holder& holder) {
  if (holder.pod != asker.pod || asker.pod_uid.empty() || holder.pod_uid.empty()) {
    return Verdict::kOwn;
  }
  if (asker.pod_uid == holder.pod_uid || given_since(device, asker, holder)) return Verdict::kOwn;
  const bool of_claim = !device.claim.empty();
  if (of_claim && !is_generated(device.claim, asker.pod)) return Verdict::kOwn;
  if (!of_claim && holder.given_by == asker.instance) return Verdict::kPredecessors;
  if (holder.living) return Verdict::kDoubtful;
  return holder.settled || holder.given_by.empty() ? Verdict::kOwn : Verdict::kDoubtful;
}

struct Judged {
  const ListedDevice* device;
  Verdict verdict;
};

// Each device once, in the order of the list: two pods of one name may both be told it, and one of
// the two entries may be better proof.
std::vector<Judged> judge_all(const std::vector<ListedDevice>& listed, const Asker& asker,
                              const std::map<std::string, Holder>& holders) {
  std::vector<Judged> out;
  for (const auto& device : listed) {
    const auto holder = holders.find(device.id);
    const bool unheld = device.id.empty() || holder == holders.end();
    const auto verdict = unheld ? Verdict::kOwn : judge(device, asker, holder->second);
    const auto known = std::find_if(out.begin(), out.end(), [&](const Judged& other) {
      return !device.id.empty() && other.device->id == device.id;
    });
    if (known == out.end()) {
      out.push_back({&device, verdict});
    } else if (verdict == Verdict::kOwn && known->verdict != Verdict::kOwn) {
      *known = {&device, verdict};
    }
  }
  return out;
}

// A claim that its template made for the predecessor: this pod's own of that template is there too.
bool is_superseded(const Judged& doubtful, const std::vector<Judged>& all, const std::string& pod) {
  if (doubtful.device->claim.empty()) return false;
  return std::any_of(all.begin(), all.end(), [&](const Judged& other) {
    return other.verdict == Verdict::kOwn && is_generated(other.device->claim, pod) &&
           same_template(other.device->claim, doubtful.device->claim);
  });
}

}  // namespace

Selection select_own(const std::vector<ListedDevice>& listed, const Asker& asker,
                     const std::map<std::string, Holder>& holders) {
  const auto judged = judge_all(listed, asker, holders);
  Selection out;
  for (const auto& one : judged) {
    if (one.verdict == Verdict::kOwn) {
      out.own.push_back(*one.device);
      continue;
    }
    const auto& holder = holders.at(one.device->id);
    const std::string whose = "an earlier pod " + holder.pod + " (uid " + holder.pod_uid + ")" +
                              (holder.living ? ", which still has it" : "");
    if (one.verdict == Verdict::kPredecessors || is_superseded(one, judged, asker.pod)) {
      out.left_out.push_back({one.device->id, "is of " + whose});
    } else {
      out.doubtful.push_back({one.device->id, "may be of " + whose});
    }
  }
  return out;
}

}  // namespace sluice::cni
