// SPDX-License-Identifier: Apache-2.0
#include "offload/legs/memory_leg.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice::legs {
namespace {

void signal_event(int fd) {
  const std::uint64_t one = 1;
  // Fails only when the counter is at its end: then it is readable already.
  [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
}

void clear_event(int fd) {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(fd, &count, sizeof count);
}

}  // namespace

Result<std::shared_ptr<MemoryWire>> MemoryWire::create(MemoryWireOptions options) {
  os::UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail_errno(errno, "eventfd");
  return std::shared_ptr<MemoryWire>(new MemoryWire(options, std::move(event)));
}

bool MemoryWire::push(std::span<const std::uint8_t> bytes, const Offload& offload) {
  const std::lock_guard lock(mutex_);
  if (cut_ || bytes.size() > kMaxFrame || inbound_.size() >= options_.depth) {
    ++inbound_dropped_;
    return false;
  }
  inbound_.push_back({std::vector<std::uint8_t>(bytes.begin(), bytes.end()), offload});
  if (inbound_.size() == 1) signal_event(event_.get());
  return true;
}

std::optional<WireFrame> MemoryWire::take(Duration wait) {
  std::unique_lock lock(mutex_);
  if (outbound_.empty() && wait > Duration::zero()) {
    sent_.wait_for(lock, wait, [this] { return !outbound_.empty(); });
  }
  if (outbound_.empty()) return std::nullopt;
  WireFrame frame = std::move(outbound_.front());
  outbound_.pop_front();
  return frame;
}

void MemoryWire::cut() {
  const std::lock_guard lock(mutex_);
  cut_ = true;
  signal_event(event_.get());
}

std::size_t MemoryLeg::receive(std::span<Frame> out) {
  const std::lock_guard lock(wire_->mutex_);
  std::size_t count = 0;
  while (count < out.size() && !wire_->inbound_.empty()) {
    const WireFrame& in = wire_->inbound_.front();
    std::vector<std::uint8_t> buffer(kHeadroom + in.bytes.size());
    if (!in.bytes.empty()) {
      std::memcpy(buffer.data() + kHeadroom, in.bytes.data(), in.bytes.size());
    }
    const auto length = static_cast<std::uint32_t>(in.bytes.size());
    out[count++] = Frame{buffer.data() + kHeadroom, length, kHeadroom, in.offload};
    rx_packets_.fetch_add(1, std::memory_order_relaxed);
    rx_bytes_.fetch_add(length, std::memory_order_relaxed);
    lent_.push_back(std::move(buffer));
    wire_->inbound_.pop_front();
  }
  if (wire_->inbound_.empty() && !wire_->cut_) clear_event(wire_->event_.get());
  return count;
}

void MemoryLeg::release() { lent_.clear(); }

void MemoryLeg::transmit(const Frame& frame) {
  const bool wants_offload = frame.offload.partial_checksum || frame.offload.gso != Gso::kNone;
  if (frame.length > kMaxFrame || (wants_offload && !accepts_offload())) {
    tx_dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  queued_.push_back(
      {std::vector<std::uint8_t>(frame.data, frame.data + frame.length), frame.offload});
}

void MemoryLeg::flush() {
  if (queued_.empty()) return;
  {
    const std::lock_guard lock(wire_->mutex_);
    for (auto& frame : queued_) {
      if (wire_->cut_ || wire_->outbound_.size() >= wire_->options_.depth) {
        tx_dropped_.fetch_add(1, std::memory_order_relaxed);
        continue;
      }
      tx_packets_.fetch_add(1, std::memory_order_relaxed);
      tx_bytes_.fetch_add(frame.bytes.size(), std::memory_order_relaxed);
      wire_->outbound_.push_back(std::move(frame));
    }
  }
  queued_.clear();
  wire_->sent_.notify_all();
}

bool MemoryLeg::alive() const {
  const std::lock_guard lock(wire_->mutex_);
  return !wire_->cut_;
}

LegStats MemoryLeg::stats() const {
  LegStats stats;
  stats.rx_packets = rx_packets_.load(std::memory_order_relaxed);
  stats.rx_bytes = rx_bytes_.load(std::memory_order_relaxed);
  stats.tx_packets = tx_packets_.load(std::memory_order_relaxed);
  stats.tx_bytes = tx_bytes_.load(std::memory_order_relaxed);
  stats.tx_dropped = tx_dropped_.load(std::memory_order_relaxed);
  const std::lock_guard lock(wire_->mutex_);
  stats.rx_dropped = wire_->inbound_dropped_;
  return stats;
}

}  // namespace sluice::legs
