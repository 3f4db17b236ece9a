// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "device-plugin/health/health.h"

namespace sluice::health {

std::map<std::string, std::string> Hysteresis::update(
    const std::map<std::string, std::optional<std::string>>& observed, TimePoint now) {
  for (auto it = states_.begin(); it != states_.end();) {
    it = observed.count(it->first) == 0 ? states_.erase(it) : std::next(it);
  }
  std::map<std::string, std::string> unhealthy;
  for (const auto& [id, reason] : observed) {
    const bool healthy = !reason.has_value();
    const auto [found, is_new] = states_.try_emplace(id);
    State& state = found->second;
    if (is_new) state.healthy = healthy;
    if (state.healthy == healthy) {
      state.changing_since.reset();
    } else {
      if (!state.changing_since) state.changing_since = now;
      const Duration delay = state.healthy ? down_after_ : up_after_;
      if (now - *state.changing_since >= delay) {
        state.healthy = healthy;
        state.changing_since.reset();
      }
    }
    // The newest one; while it looks well again, the last one.
    if (reason) state.reason = *reason;
    if (!state.healthy) unhealthy.emplace(id, state.reason);
  }
  return unhealthy;
}

std::optional<TimePoint> Hysteresis::next_change() const {
  std::optional<TimePoint> next;
  for (const auto& [id, state] : states_) {
    if (!state.changing_since) continue;
    const TimePoint due = *state.changing_since + (state.healthy ? down_after_ : up_after_);
    next = next ? std::min(*next, due) : due;
  }
  return next;
}

}  // namespace sluice::health
