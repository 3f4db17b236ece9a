// SPDX-License-Identifier: Apache-2.0
#include "common/base/clock.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

#include "common/base/hash.h"

namespace sluice {

std::uint64_t SystemRng::next() {
  std::uint64_t value = 0;
  while (true) {
    const auto got = ::getrandom(&value, sizeof value, 0);
    if (got == static_cast<ssize_t>(sizeof value)) return value;
    if (got < 0 && errno != EINTR) std::abort();
  }
}

std::uint64_t SeededRng::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  return mix64(state_);
}

}  // namespace sluice
