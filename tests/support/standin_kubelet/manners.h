// SPDX-License-Identifier: Apache-2.0
// How the stand-in treats plugins that want to be known; tests change it while it runs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace sluice::standin {

enum class Manner { kAccept, kRefuse, kHang };

class Manners {
 public:
  Manner get() const {
    const std::lock_guard lock(mutex_);
    return manner_;
  }
  void set(Manner manner) {
    const std::lock_guard lock(mutex_);
    manner_ = manner;
    changed_.notify_all();
  }
  // While it is kHang and `still` says so, looked at now and then.
  template <class Still>
  void hang(Still still) {
    std::unique_lock lock(mutex_);
    while (manner_ == Manner::kHang && still()) {
      changed_.wait_for(lock, std::chrono::milliseconds(50));
    }
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Manner manner_ = Manner::kAccept;
};

}  // namespace sluice::standin
