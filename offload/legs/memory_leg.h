// SPDX-License-Identifier: Apache-2.0
// A leg without a kernel: the far end of a port held in memory, for tests and simulations.
//
// Contract: a MemoryWire is the outside; what is push()ed there is received by the leg, what the
// leg transmits is take()n there, in order. One wire serves one leg at a time. Queues are bounded.
// Threading: MemoryWire from any thread; MemoryLeg as every leg.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/os/unique_fd.h"
#include "offload/legs/leg.h"

namespace sluice::legs {

struct WireFrame {
  std::vector<std::uint8_t> bytes;
  Offload offload;
};

struct MemoryWireOptions {
  bool accepts_offload = true;
  std::size_t depth = 4096;  // frames a direction; beyond it they are dropped and counted
};

class MemoryWire {
 public:
  static Result<std::shared_ptr<MemoryWire>> create(MemoryWireOptions options = {});

  // Toward the leg. False: the queue is full or the frame longer than kMaxFrame, it was dropped.
  bool push(std::span<const std::uint8_t> bytes, const Offload& offload = {});
  // What the leg sent; waits up to `wait` for it.
  std::optional<WireFrame> take(Duration wait = Duration::zero());
  // Pulls the plug: the leg is no longer alive().
  void cut();

 private:
  friend class MemoryLeg;
  MemoryWire(MemoryWireOptions options, os::UniqueFd event)
      : options_(options), event_(std::move(event)) {}

  const MemoryWireOptions options_;
  const os::UniqueFd event_;  // readable while inbound_ holds something, or the wire is cut
  std::mutex mutex_;
  std::condition_variable sent_;
  std::deque<WireFrame> inbound_, outbound_;
  bool cut_ = false;
  std::uint64_t inbound_dropped_ = 0;
};

class MemoryLeg final : public Leg {
 public:
  explicit MemoryLeg(std::shared_ptr<MemoryWire> wire) : wire_(std::move(wire)) {}

  std::size_t receive(std::span<Frame> out) override;
  void release() override;
  void transmit(const Frame& frame) override;
  void flush() override;
  bool accepts_offload() const override { return wire_->options_.accepts_offload; }
  int fd() const override { return wire_->event_.get(); }
  bool alive() const override;
  LegStats stats() const override;

 private:
  const std::shared_ptr<MemoryWire> wire_;
  std::vector<std::vector<std::uint8_t>> lent_;  // each: headroom, then the frame
  std::vector<WireFrame> queued_;                // until flush()
  std::atomic<std::uint64_t> rx_packets_{0}, rx_bytes_{0};
  std::atomic<std::uint64_t> tx_packets_{0}, tx_bytes_{0}, tx_dropped_{0};
};

}  // namespace sluice::legs
