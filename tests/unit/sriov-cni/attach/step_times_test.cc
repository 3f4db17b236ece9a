// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/step_times.h"

#include <doctest/doctest.h>

namespace sluice::cni {
namespace {

using callstats::Step;
using std::chrono::milliseconds;

TEST_CASE("a port's time is told apart: the PF's part, RDMA's, and the move") {
  ManualClock clock;
  StepTimes times(clock);
  const auto work = [&](PortTimes& parts) -> Status {
    timed(&parts, &PortTimes::pf, [&] { clock.advance(milliseconds(5)); });
    clock.advance(milliseconds(20));
    timed(&parts, &PortTimes::pf, [&] { clock.advance(milliseconds(1)); });
    return timed(&parts, &PortTimes::rdma, [&]() -> Status {
      clock.advance(milliseconds(3));
      return fail(Code::kInternal, "refused");  // counts all the same
    });
  };
  CHECK_FALSE(times.time_port(work));
  CHECK(times.of(Step::kPf) == milliseconds(6));
  CHECK(times.of(Step::kRdma) == milliseconds(3));
  CHECK(times.of(Step::kMove) == milliseconds(20));
  times.time(Step::kMove, [&] { clock.advance(milliseconds(2)); });
  CHECK_FALSE(times.time_port(work));
  CHECK(times.of(Step::kPf) == milliseconds(12));
  CHECK(times.of(Step::kMove) == milliseconds(42));
  CHECK(times.total() == milliseconds(60));
}

TEST_CASE("a port that nobody asks for its times does its work") {
  CHECK(timed(nullptr, &PortTimes::pf, [] { return 7; }) == 7);
}

}  // namespace
}  // namespace sluice::cni
