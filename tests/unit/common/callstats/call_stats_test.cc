// SPDX-License-Identifier: Apache-2.0
// CallStats over real files, and by several processes at once.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <vector>

#include "common/callstats/call_stats.h"
#include "common/callstats/layout.h"
#include "common/os/files.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::callstats;
using namespace std::chrono_literals;

namespace {

constexpr int kProcesses = 8;
constexpr std::uint64_t kEach = 500;

const Histogram& of(const Snapshot& snapshot, Verb verb, Step step) {
  return snapshot.steps[static_cast<std::size_t>(verb)][static_cast<std::size_t>(step)];
}

std::uint64_t count_of(const Snapshot& snapshot, Verb verb, int code) {
  for (const auto& each : snapshot.codes[static_cast<std::size_t>(verb)]) {
    if (each.code == code) return each.count;
  }
  return 0;
}

pid_t in_process(const std::function<bool()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(work() ? 0 : 1);
  return pid;
}

bool add_many(const std::string& path) {
  auto stats = CallStats::open(path);
  if (!stats) return false;
  for (std::uint64_t i = 0; i < kEach; ++i) {
    stats->add(Verb::kAdd, Step::kMove, 3ms);
    stats->ended(Verb::kAdd, 11);
    stats->repaired(2);
  }
  return true;
}

// kProcesses of add_many() at once, held back until all are there.
void add_by_many(const std::string& path) {
  int gate[2];
  REQUIRE(::pipe(gate) == 0);
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(in_process([&] {
      ::close(gate[1]);
      char byte = 0;
      while (::read(gate[0], &byte, 1) < 0 && errno == EINTR) {
      }
      return add_many(path);
    }));
  }
  ::close(gate[0]);
  ::close(gate[1]);
  for (const auto child : children) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
}

void check_added_by_many(const std::string& path) {
  const auto snapshot = read_snapshot(path);
  REQUIRE(snapshot);
  constexpr auto kAll = kProcesses * kEach;
  CHECK(of(*snapshot, Verb::kAdd, Step::kMove).total() == kAll);
  CHECK(of(*snapshot, Verb::kAdd, Step::kMove).sum_us == kAll * 3000);
  CHECK(count_of(*snapshot, Verb::kAdd, 11) == kAll);
  CHECK(snapshot->repaired == 2 * kAll);
}

std::string bytes_of(const Layout& layout) {
  return {reinterpret_cast<const char*>(&layout), sizeof layout};
}

std::size_t entries(const test::TempDir& dir) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(dir.path()),
                                                std::filesystem::directory_iterator()));
}

}  // namespace

TEST_CASE("What was added is read") {
  const test::TempDir dir;
  const auto path = dir / "run/sluice/stats";
  auto stats = CallStats::open(path);
  REQUIRE(stats);
  stats->add(Verb::kAdd, Step::kTotal, 100us);
  stats->add(Verb::kAdd, Step::kTotal, 101us);
  stats->add(Verb::kDel, Step::kLock, 2min);
  stats->add(Verb::kDel, Step::kLock, -1s);  // a clock that went back counts as nothing
  stats->ended(Verb::kAdd, 0);
  stats->ended(Verb::kStatus, 50);
  for (const int code : {256, 999, -3}) stats->ended(Verb::kGc, code);

  const auto snapshot = read_snapshot(path);
  REQUIRE(snapshot);
  const auto& total = of(*snapshot, Verb::kAdd, Step::kTotal);
  CHECK(total.counts[0] == 1);  // a bound belongs to its bucket
  CHECK(total.counts[1] == 1);
  CHECK(total.sum_us == 201);
  const auto& lock = of(*snapshot, Verb::kDel, Step::kLock);
  CHECK(lock.counts[0] == 1);
  CHECK(lock.counts[kBounds.size()] == 1);
  CHECK(lock.sum_us == 120'000'000);
  CHECK(of(*snapshot, Verb::kAdd, Step::kLock).total() == 0);
  CHECK(count_of(*snapshot, Verb::kAdd, 0) == 1);
  CHECK(count_of(*snapshot, Verb::kStatus, 50) == 1);
  CHECK(count_of(*snapshot, Verb::kGc, -1) == 3);
  CHECK(snapshot->codes[static_cast<std::size_t>(Verb::kDel)].empty());

  auto again = CallStats::open(path);  // a second process finds what the first one left
  REQUIRE(again);
  again->add(Verb::kAdd, Step::kTotal, 1us);
  CHECK(of(*read_snapshot(path), Verb::kAdd, Step::kTotal).total() == 3);
  CHECK(std::filesystem::file_size(path) == sizeof(Layout));
}

TEST_CASE("No file is all zero, and reading makes none") {
  const test::TempDir dir;
  const auto snapshot = read_snapshot(dir / "stats");
  REQUIRE(snapshot);
  CHECK(of(*snapshot, Verb::kAdd, Step::kTotal).total() == 0);
  CHECK(entries(dir) == 0);
}

TEST_CASE("Many processes at once lose nothing, the first ones neither") {
  const test::TempDir dir;
  add_by_many(dir / "stats");
  check_added_by_many(dir / "stats");
  CHECK(entries(dir) == 1);  // no temporary file is left
}

TEST_CASE("A file that is none of this version is replaced once, however many find it") {
  const test::TempDir dir;
  auto old = empty_layout();
  old.header.version = kVersion + 1;
  old.repaired = 77;
  std::string bad;
  SUBCASE("another version") { bad = bytes_of(old); }
  SUBCASE("short") { bad = bytes_of(empty_layout()).substr(0, 100); }
  SUBCASE("empty") { bad = ""; }
  SUBCASE("long") { bad = bytes_of(empty_layout()) + "x"; }
  SUBCASE("damaged") { bad = std::string(sizeof(Layout), 'x'); }
  dir.file("stats", bad);
  CHECK_FALSE(read_snapshot(dir / "stats"));
  CHECK(*os::read_file(dir / "stats") == bad);  // a reader leaves it
  add_by_many(dir / "stats");
  check_added_by_many(dir / "stats");
  CHECK(entries(dir) == 1);
}

TEST_CASE("A file that others may write, or that is no file, is replaced") {
  const test::TempDir dir;
  const auto path = dir / "stats";
  SUBCASE("writable") {
    dir.file("stats", bytes_of(empty_layout()));
    REQUIRE(::chmod(path.c_str(), 0666) == 0);
  }
  SUBCASE("FIFO") {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK_FALSE(read_snapshot(path));  // at once
  }
  auto stats = CallStats::open(path);
  REQUIRE(stats);
  stats->repaired(1);
  CHECK(read_snapshot(path)->repaired == 1);
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("Neither links nor directories are followed or replaced") {
  const test::TempDir dir;
  dir.file("elsewhere", "precious");
  dir.link("link", dir / "elsewhere");
  dir.directory("folder");
  CHECK_FALSE(CallStats::open(dir / "link"));
  CHECK_FALSE(CallStats::open(dir / "folder"));
  CHECK_FALSE(CallStats::open(dir / "elsewhere/stats"));
  CHECK(*os::read_file(dir / "elsewhere") == "precious");
}

TEST_CASE("A file that is cut off under its users ends nobody") {
  const test::TempDir dir;
  const auto path = dir / "stats";
  const pid_t child = in_process([&] {
    auto stats = CallStats::open(path);
    if (!stats || ::truncate(path.c_str(), 0) != 0) return false;
    stats->add(Verb::kAdd, Step::kTotal, 1ms);
    stats->ended(Verb::kAdd, 0);
    return !read_snapshot(path);
  });
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);  // and no signal
  auto stats = CallStats::open(path);
  REQUIRE(stats);
  stats->ended(Verb::kAdd, 0);
  CHECK(count_of(*read_snapshot(path), Verb::kAdd, 0) == 1);
}

TEST_CASE("A killed writer harms nobody") {
  const test::TempDir dir;
  const auto path = dir / "stats";
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = in_process([&] {
    auto stats = CallStats::open(path);
    if (!stats) return false;
    for (bool told = false;; told = true) {
      stats->add(Verb::kAdd, Step::kMove, 1us);
      if (!told && ::write(ready[1], "x", 1) != 1) return false;
    }
  });
  ::close(ready[1]);
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  ::close(ready[0]);
  REQUIRE(::kill(child, SIGKILL) == 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);

  const auto before = read_snapshot(path);
  REQUIRE(before);
  const auto& moves = of(*before, Verb::kAdd, Step::kMove);
  CHECK(moves.total() >= 1);
  CHECK(moves.counts[0] == moves.total());
  CHECK(moves.total() - moves.sum_us <= 1);  // killed between the two
  auto stats = CallStats::open(path);
  REQUIRE(stats);
  stats->add(Verb::kAdd, Step::kMove, 1us);
  CHECK(of(*read_snapshot(path), Verb::kAdd, Step::kMove).total() == moves.total() + 1);
}
