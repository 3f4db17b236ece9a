// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/context.h"

#include <doctest/doctest.h>

namespace sluice::cni {
namespace {

using std::chrono::seconds;

TEST_CASE("what is waited for ends with the call's time, and what comes last is tried still") {
  ManualClock clock;
  Context context{NetConfig{}, Invocation{}, Logger(), StepTimes(clock)};
  CHECK(context.at_most(seconds(40)) == seconds(40));  // GC and repair: no end
  context.ends = kCallEnds - kUndoingTime;
  CHECK(context.at_most(seconds(15)) == seconds(15));
  CHECK(context.at_most(seconds(40)) == seconds(35));
  clock.advance(seconds(34));
  CHECK(context.at_most(seconds(15)) == seconds(1));
  clock.advance(seconds(10));
  CHECK(context.at_most(seconds(15)) == kLeastTime);
  CHECK(context.at_most(std::chrono::milliseconds(20)) == std::chrono::milliseconds(20));
  context.ends = kCallEnds;  // the undoing's share
  CHECK(context.at_most(seconds(15)) == seconds(11));
}

TEST_CASE("the engine gets no more than the call has, and no more than it has used up") {
  ManualClock clock;
  Context context{NetConfig{}, Invocation{}, Logger(), StepTimes(clock)};
  context.ends = seconds(30);
  CHECK(context.time_for_engine().left == EngineTime::kMost);
  clock.advance(seconds(25));
  CHECK(context.time_for_engine().left == seconds(5));
  context.engine_time.left = Duration::zero();
  CHECK(context.time_for_engine().left == Duration::zero());
}

}  // namespace
}  // namespace sluice::cni
