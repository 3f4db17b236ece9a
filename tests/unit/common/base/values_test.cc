// SPDX-License-Identifier: Apache-2.0
// Result, Error, hashing, clocks.
#include <doctest/doctest.h>

#include <cerrno>
#include <set>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/result.h"

using namespace sluice;

namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return fail(Code::kInvalid, "value " + std::to_string(value) + " is odd");
  return value / 2;
}

Result<int> quarter(int value) {
  SLUICE_TRY(const int once, half(value));
  SLUICE_TRY(const int twice, half(once));
  return twice;
}

Status check_quarter(int value) {
  SLUICE_CHECK_OK(quarter(value).map([](int) {}));
  return {};
}

}  // namespace

TEST_CASE("SLUICE_TRY binds or returns the error") {
  CHECK(*quarter(12) == 3);
  CHECK(quarter(6).error().message == "value 3 is odd");
  CHECK(check_quarter(12));
  CHECK_FALSE(check_quarter(7));
}

TEST_CASE("The context reads from the outermost to the innermost") {
  auto error = errno_error(ENOENT, "open /x").with("reading the journal").with("attaching eth0");
  CHECK(error.code == Code::kNotFound);
  CHECK(error.domain == Domain::kKernel);
  CHECK(error.native == ENOENT);
  CHECK(error.to_string() ==
        "while attaching eth0: while reading the journal: open /x: No such file or directory");
}

TEST_CASE("Error numbers get the kind that callers decide by") {
  CHECK(errno_error(EEXIST, "").code == Code::kExists);
  CHECK(errno_error(EPERM, "").code == Code::kPermission);
  CHECK(errno_error(EBUSY, "").code == Code::kPrecondition);
  CHECK(errno_error(EOPNOTSUPP, "").code == Code::kUnsupported);
  CHECK(errno_error(ENETUNREACH, "").code == Code::kUnavailable);
  CHECK(errno_error(ECONNREFUSED, "").retry == Retry::kLater);
  CHECK(errno_error(EINVAL, "").retry == Retry::kNever);
}

TEST_CASE("Hashes are the same everywhere and for ever") {
  CHECK(hash_bytes("") == mix64(0xcbf29ce484222325ULL));
  CHECK(mix64(0) == 0);
  CHECK(mix64(1) == 0x5692161d100b05e5ULL);
  CHECK(hash_combine(1, 2) != hash_combine(2, 1));
}

TEST_CASE("A seeded generator repeats itself") {
  SeededRng one(7), other(7);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 100; ++i) {
    const auto value = one.next();
    CHECK(value == other.next());
    seen.insert(value);
  }
  CHECK(seen.size() == 100);
  SystemRng system;
  CHECK(system.next() != system.next());
}

TEST_CASE("A manual clock moves only when told") {
  ManualClock clock;
  const auto start = clock.now();
  CHECK(clock.now() == start);
  clock.advance(std::chrono::seconds(3));
  CHECK(clock.now() - start == std::chrono::seconds(3));
}
