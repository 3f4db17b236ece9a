// SPDX-License-Identifier: Apache-2.0
// Who has which device, as far as a plugin can know: what the kubelet says, what was just granted,
// and what claims hold.
//
// Contract: the kubelet's list is the truth for what it covers. A grant counts until a list shows
// it, or one that is kGrantPatience younger doesn't: the kubelet lists a pod's devices only after
// it has our answer. Without a list it counts for ever.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "device-plugin/kubelet/pod_resources.h"
#include "device-plugin/lookup/directory.h"
#include "device-plugin/pools/pool_set.h"

namespace sluice::broker {

inline constexpr Duration kGrantPatience = std::chrono::seconds(30);

using PodList = std::vector<kubelet::PodDevices>;

// What of the kubelet's list is about our devices: by resource, now or ever since the start, or by
// the device's name. A configuration that changed over a restart must not make a used device free.
struct Ours {
  std::set<std::string> resources, ids;
  bool have(const std::string& resource, const std::string& id) const {
    return resources.contains(resource) || ids.contains(id);
  }
};

class Uses {
 public:
  void listed(const PodList& pods, const Ours& ours, TimePoint now);
  void granted(const std::string& resource, const std::vector<std::string>& ids, TimePoint now);
  void claimed(const std::string& id);                        // only for sequence()
  void set_claims(std::map<std::string, pools::Use> claims);  // by id: dra::Front::uses()

  // A list has been seen since the start: before that nobody can say that a device is free.
  bool known() const { return known_; }
  std::map<std::string, pools::Use> all() const;
  std::uint64_t sequence(const std::string& id) const;  // 0: not given since the start

 private:
  struct Grant {
    std::string resource;
    TimePoint at;
  };
  bool known_ = false;
  std::uint64_t next_ = 1;
  std::map<std::string, std::uint64_t> sequences_;
  std::map<std::string, Grant> grants_;  // not listed yet
  std::map<std::string, pools::Use> listed_;
  std::map<std::string, pools::Use> claims_;
};

// The devices of one pod, for whoever attaches it: in the order of pools and of their devices.
// Errors: Code::kInternal for a claim's device of our driver whose name is none of ours:
// whoever asks must not take it for "no device".
Result<std::vector<lookup::PodDevice>> devices_of(const PodList& pods,
                                                  const std::string& pod_namespace,
                                                  const std::string& pod, const Ours& ours,
                                                  const pools::PoolSet& pools, const Uses& uses);

}  // namespace sluice::broker
