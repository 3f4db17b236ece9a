// SPDX-License-Identifier: Apache-2.0
// Tells the writer when the one reader can no longer hold a pointer to what was unlinked.
//
// Contract: the reader brackets each burst with enter() and leave(); outside it holds nothing. The
// writer unlinks, takes a stamp(), and may reuse what it unlinked once passed(stamp).
// Why it is right: enter() and stamp() are read-modify-writes of one word, hence ordered. If
// stamp() is first, the reader's enter() reads from it and sees the unlinking. If enter() is first,
// stamp() returns an odd number, and waits for the leave() that changes it. Threading: one reader
// thread, writers one at a time.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::eswitch {

class ReaderEpoch {
 public:
  using Stamp = std::uint64_t;

  void enter() { value_.fetch_add(1, std::memory_order_acq_rel); }
  void leave() {
    value_.store(value_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  Stamp stamp() { return value_.fetch_add(0, std::memory_order_acq_rel); }
  bool passed(Stamp stamp) const {
    return (stamp & 1U) == 0 || value_.load(std::memory_order_acquire) != stamp;
  }

 private:
  alignas(64) std::atomic<std::uint64_t> value_{0};  // odd: in a burst
};

}  // namespace sluice::eswitch
