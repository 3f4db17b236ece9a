// SPDX-License-Identifier: Apache-2.0
// One thread's epoll loop: descriptors, timers, posted work, signals.
//
// Threading: post() and stop() from any thread; everything else from the thread that runs the loop
// (or before it runs). Callbacks run on the loop's thread, one at a time. It sleeps when idle.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::os {

class EventLoop {
 public:
  using Callback = std::function<void()>;
  using TimerId = std::uint64_t;

  static Result<std::unique_ptr<EventLoop>> create();
  virtual ~EventLoop() = default;

  // Readable (EPOLLIN, EPOLLHUP, EPOLLERR), level-triggered. The descriptor is not owned; remove it
  // before closing.
  virtual Status watch(int fd, Callback readable) = 0;
  virtual Status watch_writable(int fd, Callback writable) = 0;  // beside watch()
  virtual void unwatch_writable(int fd) = 0;
  virtual void unwatch(int fd) = 0;
  virtual TimerId after(Duration delay, Callback callback) = 0;   // once
  virtual TimerId every(Duration period, Callback callback) = 0;  // first after one period
  virtual void cancel(TimerId id) = 0;                            // unknown: nothing
  virtual void post(Callback callback) = 0;
  // SIGINT and so on by signalfd; blocks them for the calling thread (call before starting
  // threads).
  virtual Status on_signals(const std::vector<int>& signals, std::function<void(int)> callback) = 0;
  virtual void run() = 0;  // until stop()
  virtual void stop() = 0;
};

}  // namespace sluice::os
