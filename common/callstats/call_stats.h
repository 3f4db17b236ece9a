// SPDX-License-Identifier: Apache-2.0
// Counters and durations of many short processes in one small file: sluice-cni adds to them, the
// device plugin's metrics read them.
//
// Contract: the file is a fixed layout of 64-bit counters behind a header with a version, mapped
// and added to atomically by any number of processes, without locks and without fsync: it lives in
// a directory that a reboot empties, and a lost count harms nobody. A file of another version or
// size, or a damaged one, is replaced by an empty one. Failing to count fails nothing. Threading:
// any thread, any process.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::callstats {

enum class Verb : std::uint8_t { kAdd, kDel, kCheck, kGc, kStatus };
inline constexpr std::size_t kVerbs = 5;

// What a call spends its time on, in the order of an ADD.
enum class Step : std::uint8_t {
  kLock,     // waiting for other calls about the same attachment or VF
  kLookup,   // engine and device plugin asked, sysfs read
  kJournal,  // written and synchronised
  kIpam,
  kPf,       // the VF's attributes on its PF
  kMove,     // the VF's move, or the making of the veth, and back
  kRdma,     // RDMA devices along with it
  kAddress,  // addresses and routes
  kEngine,   // told, and its rules in place
  kTotal,
};
inline constexpr std::size_t kSteps = 10;

std::string_view to_string(Verb verb);  // "ADD"
std::string_view to_string(Step step);  // "lock", ...

// Upper bounds of the buckets in microseconds; one more bucket has what is longer.
inline constexpr std::array<std::uint64_t, 14> kBounds = {
    100,    250,    500,     1'000,   2'500,     5'000,     10'000,
    25'000, 50'000, 100'000, 250'000, 1'000'000, 5'000'000, 60'000'000};

struct Histogram {
  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  std::uint64_t sum_us = 0;
  std::uint64_t total() const;
};

// How a call ended: 0, or its CNI error code; codes beyond the table count as `other`.
struct CodeCount {
  int code = 0;  // -1: other
  std::uint64_t count = 0;
};

struct Snapshot {
  std::array<std::array<Histogram, kSteps>, kVerbs> steps;
  std::array<std::vector<CodeCount>, kVerbs> codes;  // those that occurred
  std::uint64_t repaired = 0;  // attachments, VFs and addresses got back by GC and repair
};

class CallStats {
 public:
  static Result<CallStats> open(const std::string& path);  // made when missing
  CallStats(CallStats&&) noexcept;
  CallStats& operator=(CallStats&&) noexcept;
  ~CallStats();

  void add(Verb verb, Step step, Duration duration);
  void ended(Verb verb, int code);
  void repaired(std::uint64_t count);

 private:
  struct Map;
  explicit CallStats(std::unique_ptr<Map> map);
  std::unique_ptr<Map> map_;
};

// No file: all zero. Never writes, and never maps; a file of another version or size is an error.
Result<Snapshot> read_snapshot(const std::string& path);

}  // namespace sluice::callstats
