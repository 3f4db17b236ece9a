// SPDX-License-Identifier: Apache-2.0
// An event loop of timers only, whose time passes when the test says so.
#pragma once

#include <map>
#include <utility>

#include "common/os/event_loop.h"

namespace sluice::testing {

class ManualLoop final : public os::EventLoop {
 public:
  // Runs what is due up to then, in order; what is added meanwhile too.
  void advance(Duration by) {
    const Duration end = now_ + by;
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      auto timer = timers_.extract(timers_.begin());
      now_ = timer.key().first;
      timer.mapped()();
    }
    now_ = end;
  }
  std::size_t timers() const { return timers_.size(); }

  TimerId after(Duration delay, Callback callback) override {
    timers_[{now_ + delay, ++last_}] = std::move(callback);
    return last_;
  }
  void cancel(TimerId id) override {
    std::erase_if(timers_, [&](const auto& timer) { return timer.first.second == id; });
  }
  // None of these is used by what is tested.
  TimerId every(Duration, Callback) override { return 0; }
  Status watch(int, Callback) override { return fail(Code::kUnsupported, "timers only"); }
  Status watch_writable(int, Callback) override { return fail(Code::kUnsupported, "timers only"); }
  void unwatch_writable(int) override {}
  void unwatch(int) override {}
  void post(Callback) override {}
  Status on_signals(const std::vector<int>&, std::function<void(int)>) override { return {}; }
  void run() override {}
  void stop() override {}

 private:
  Duration now_{};
  TimerId last_ = 0;
  std::map<std::pair<Duration, TimerId>, Callback> timers_;
};

}  // namespace sluice::testing
