// SPDX-License-Identifier: Apache-2.0
// What one call spends its time on.
//
// Contract: the time of a step is the sum of its parts. Steps are not measured inside each other.
// Threading: one thread.
#pragma once

#include <array>
#include <utility>

#include "common/base/clock.h"
#include "common/callstats/call_stats.h"

namespace sluice::cni {

class StepTimes {
 public:
  explicit StepTimes(const Clock& clock) : clock_(&clock), begin_(clock.now()) {}

  template <class Work>
  auto time(callstats::Step step, Work&& work) {
    const Part part{*this, step, clock_->now()};
    return std::forward<Work>(work)();
  }
  Duration of(callstats::Step step) const { return spent_[static_cast<std::size_t>(step)]; }
  Duration total() const { return clock_->now() - begin_; }

 private:
  struct Part {
    StepTimes& times;
    callstats::Step step;
    TimePoint begin;
    ~Part() { times.spent_[static_cast<std::size_t>(step)] += times.clock_->now() - begin; }
  };
  const Clock* clock_;
  TimePoint begin_;
  std::array<Duration, callstats::kSteps> spent_{};
};

}  // namespace sluice::cni
