// SPDX-License-Identifier: Apache-2.0
// What one call spends its time on.
//
// Contract: the time of a step is the sum of its parts. Steps are not measured inside each other,
// but for a port's: what its way says of itself is kPf's and kRdma's, the rest is kMove's. A step
// that took no time was not done.
// Threading: one thread.
#pragma once

#include <array>
#include <utility>

#include "common/base/clock.h"
#include "common/callstats/call_stats.h"
#include "sriov-cni/ports/port_times.h"

namespace sluice::cni {

class StepTimes {
 public:
  explicit StepTimes(const Clock& clock) : clock_(&clock), begin_(clock.now()) {}

  template <class Work>
  auto time(callstats::Step step, Work&& work) {
    const Part part{*this, step, clock_->now()};
    return std::forward<Work>(work)();
  }
  // `work` gets the PortTimes to fill.
  template <class Work>
  auto time_port(Work&& work) {
    PortTimes parts{*clock_};
    const Port port{*this, parts, clock_->now()};
    return std::forward<Work>(work)(parts);
  }
  Duration of(callstats::Step step) const { return spent_[static_cast<std::size_t>(step)]; }
  Duration total() const { return clock_->now() - begin_; }

 private:
  struct Part {
    StepTimes& times;
    callstats::Step step;
    TimePoint begin;
    ~Part() { times.spend(step, times.clock_->now() - begin); }
  };
  struct Port {
    StepTimes& times;
    const PortTimes& parts;
    TimePoint begin;
    ~Port() {
      const auto all = times.clock_->now() - begin;
      times.spend(callstats::Step::kPf, parts.pf);
      times.spend(callstats::Step::kRdma, parts.rdma);
      times.spend(callstats::Step::kMove, all - parts.pf - parts.rdma);
    }
  };
  void spend(callstats::Step step, Duration time) {
    spent_[static_cast<std::size_t>(step)] += time;
  }
  const Clock* clock_;
  TimePoint begin_;
  std::array<Duration, callstats::kSteps> spent_{};
};

}  // namespace sluice::cni
