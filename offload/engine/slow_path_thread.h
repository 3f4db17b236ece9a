// SPDX-License-Identifier: Apache-2.0
// Runs the slow path on a thread of its own that sleeps until the NIC has a packet for it.
//
// Contract: start() once, stop() once; with() runs a function on the slow path's thread, in order
// with everything else that it does. After stop() with() does nothing.
// Threading: start, stop, with from any thread.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/os/event_loop.h"
#include "offload/engine/seams.h"
#include "offload/slowpath/slow_path.h"

namespace sluice::engine {

class SlowPathThread {
 public:
  // `io` and `path` outlive it. `failed` is called on the new thread when it can't use the NIC;
  // with() then never runs anything.
  using Failed = std::function<void(Error)>;
  static Result<std::unique_ptr<SlowPathThread>> create(PacketIo& io, slowpath::SlowPath& path,
                                                        Failed failed);
  ~SlowPathThread();

  Status start();
  void stop();
  void with(std::function<void(slowpath::SlowPath&)> work);

 private:
  SlowPathThread(std::unique_ptr<os::EventLoop> loop, PacketIo& io, slowpath::SlowPath& path,
                 Failed failed)
      : loop_(std::move(loop)), io_(io), path_(path), failed_(std::move(failed)) {}
  void run();
  void drain();

  std::unique_ptr<os::EventLoop> loop_;
  PacketIo& io_;
  slowpath::SlowPath& path_;
  Failed failed_;
  std::thread thread_;
};

}  // namespace sluice::engine
