// SPDX-License-Identifier: Apache-2.0
// Who has which device, as far as a plugin can know: what the kubelet says, what was just granted,
// and what claims hold.
//
// Contract: the kubelet's list is the truth for what it covers. A grant counts until the list shows
// it, or for kGrantPatience: the kubelet lists a pod's devices only after it has our answer.
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

class Uses {
 public:
  // `resources`: ours; others' devices are nothing to us.
  void listed(const PodList& pods, const std::set<std::string>& resources, TimePoint now);
  void granted(const std::string& resource, const std::vector<std::string>& ids, TimePoint now);
  void claimed(const std::string& id);                        // only for sequence()
  void set_claims(std::map<std::string, pools::Use> claims);  // by id: dra::Front::uses()

  // A list has been seen since the start: before that nobody can say that a device is free.
  bool known() const { return known_; }
  std::map<std::string, pools::Use> all(TimePoint now) const;
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
std::vector<lookup::PodDevice> devices_of(const PodList& pods, const std::string& pod_namespace,
                                          const std::string& pod, const pools::PoolSet& pools,
                                          const Uses& uses);

}  // namespace sluice::broker
