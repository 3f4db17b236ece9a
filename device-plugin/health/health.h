// SPDX-License-Identifier: Apache-2.0
// Is a device fit to be given out, and if not, why: pure assessment and hysteresis.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "device-plugin/config/config.h"
#include "device-plugin/pools/candidate.h"

namespace sluice::health {

// Why this device can't be used now, or nothing. PF carrier (a PF without a visible netdev says
// nothing), driver bound, RDMA ports (one that is ACTIVE is enough). A VF without a netdev is well:
// it is in a pod, or has no network driver.
std::optional<std::string> assess(const pools::Candidate& candidate,
                                  const config::HealthPolicy& policy);

// Flapping is not passed on: a device turns unhealthy after it was so for `down_after`, and healthy
// after it was so for `up_after`. What is seen for the first time counts at once.
class Hysteresis {
 public:
  Hysteresis(Duration down_after, Duration up_after)
      : down_after_(down_after), up_after_(up_after) {}

  // `observed`: id -> reason, every device. Returns the unhealthy ones with their reasons.
  std::map<std::string, std::string> update(
      const std::map<std::string, std::optional<std::string>>& observed, TimePoint now);
  // When to call update() again although nothing happened.
  std::optional<TimePoint> next_change() const;

 private:
  struct State {
    bool healthy = true;
    std::string reason;
    std::optional<TimePoint> changing_since;
  };
  Duration down_after_, up_after_;
  std::map<std::string, State> states_;
};

}  // namespace sluice::health
