// SPDX-License-Identifier: Apache-2.0
// How long the parts of a VF's way took, for a caller that counts them.
//
// Contract: nobody asks: a null PortTimes. Work that fails counts too. Threading: one thread.
#pragma once

#include <utility>

#include "common/base/clock.h"

namespace sluice::cni {

struct PortTimes {
  const Clock& clock;
  Duration pf{};    // attributes and administrative MAC, by the PF
  Duration rdma{};  // RDMA devices from one namespace to the other
};

template <class Work>
auto timed(PortTimes* times, Duration PortTimes::*part, Work&& work) {
  struct Part {
    PortTimes* times;
    Duration PortTimes::*part;
    TimePoint begin;
    ~Part() {
      if (times != nullptr) times->*part += times->clock.now() - begin;
    }
  };
  const Part one{times, part, times != nullptr ? times->clock.now() : TimePoint{}};
  return std::forward<Work>(work)();
}

}  // namespace sluice::cni
