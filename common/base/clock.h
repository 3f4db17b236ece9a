// SPDX-License-Identifier: Apache-2.0
// Time and randomness, passed in by whoever builds an object; tests pass ManualClock and a seed.
#pragma once

#include <chrono>
#include <cstdint>

namespace sluice {

// Nanoseconds of a monotonic clock. Only differences mean anything.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  TimePoint now() const override { return std::chrono::steady_clock::now(); }
};

// For tests: stands still until it is told otherwise. Not thread-safe.
class ManualClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  void advance(Duration by) { now_ += by; }

 private:
  TimePoint now_{std::chrono::hours(1)};
};

class Rng {
 public:
  virtual ~Rng() = default;
  virtual std::uint64_t next() = 0;  // uniform over all 64 bits
};

// The kernel's generator (getrandom). Aborts where the kernel has none: nothing sane can go on.
class SystemRng final : public Rng {
 public:
  std::uint64_t next() override;
};

// splitmix64: repeatable, for tests and simulations, never for secrets.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override;

 private:
  std::uint64_t state_;
};

}  // namespace sluice
