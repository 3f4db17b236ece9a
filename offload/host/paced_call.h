// SPDX-License-Identifier: Apache-2.0
// A callback that is called soon after it was asked for, but never twice within a gap: what is
// asked for in between is one call at the gap's end.
//
// Threading: everything on the loop's thread. The callback is never called from inside request().
#pragma once

#include <functional>
#include <optional>

#include "common/os/event_loop.h"

namespace sluice::host {

class PacedCall {
 public:
  PacedCall(os::EventLoop& loop, Duration gap, std::function<void()> callback);
  PacedCall(const PacedCall&) = delete;
  PacedCall& operator=(const PacedCall&) = delete;
  ~PacedCall();

  void request();

 private:
  void call();

  os::EventLoop& loop_;
  const Duration gap_;
  const std::function<void()> callback_;
  std::optional<os::EventLoop::TimerId> timer_;  // until the call, then until the gap's end
  bool wanted_ = false;
};

}  // namespace sluice::host
