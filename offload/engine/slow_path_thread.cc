// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/slow_path_thread.h"

#include <pthread.h>

namespace sluice::engine {
namespace {

constexpr Duration kTick = std::chrono::seconds(1);
// How many bursts are handled before timers and posted work get their turn.
constexpr int kBurstsPerTurn = 8;

}  // namespace

Result<std::unique_ptr<SlowPathThread>> SlowPathThread::create(PacketIo& io,
                                                               slowpath::SlowPath& path,
                                                               Failed failed) {
  SLUICE_TRY(auto loop, os::EventLoop::create());
  return std::unique_ptr<SlowPathThread>(
      new SlowPathThread(std::move(loop), io, path, std::move(failed)));
}

SlowPathThread::~SlowPathThread() { stop(); }

Status SlowPathThread::start() {
  for (const int fd : io_.wait_fds()) {
    SLUICE_CHECK_OK(loop_->watch(fd, [this] { drain(); }));
  }
  loop_->every(kTick, [this] { path_.tick(); });
  thread_ = std::thread([this] { run(); });
  return {};
}

void SlowPathThread::run() {
  ::pthread_setname_np(::pthread_self(), "slow-path");
  if (auto entered = io_.enter_thread(); !entered) {
    return failed_(std::move(entered).error());
  }
  // Packets may have come before anybody waited for them.
  loop_->post([this] { drain(); });
  loop_->run();
  io_.leave_thread();
}

void SlowPathThread::drain() {
  const auto handle = [this](model::PortId port, std::uint32_t meta,
                             std::span<std::uint8_t> frame) { path_.receive(port, meta, frame); };
  for (int i = 0; i < kBurstsPerTurn; ++i) {
    if (io_.receive(handle) == 0) return;
  }
  loop_->post([this] { drain(); });
}

void SlowPathThread::stop() {
  if (!thread_.joinable()) return;
  loop_->stop();
  thread_.join();
}

void SlowPathThread::with(std::function<void(slowpath::SlowPath&)> work) {
  loop_->post([this, work = std::move(work)] { work(path_); });
}

}  // namespace sluice::engine
