// SPDX-License-Identifier: Apache-2.0
#include "offload/host/paced_call.h"

#include <utility>

namespace sluice::host {

PacedCall::PacedCall(os::EventLoop& loop, Duration gap, std::function<void()> callback)
    : loop_(loop), gap_(gap), callback_(std::move(callback)) {}

PacedCall::~PacedCall() {
  if (timer_) loop_.cancel(*timer_);
}

void PacedCall::request() {
  wanted_ = true;
  if (!timer_) timer_ = loop_.after(Duration::zero(), [this] { call(); });
}

void PacedCall::call() {
  timer_.reset();
  if (!std::exchange(wanted_, false)) return;  // a gap without requests is over
  timer_ = loop_.after(gap_, [this] { call(); });
  if (callback_) callback_();
}

}  // namespace sluice::host
