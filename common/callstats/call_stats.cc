// SPDX-License-Identifier: Apache-2.0
#include "common/callstats/call_stats.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "common/callstats/layout.h"
#include "common/os/files.h"
#include "common/os/unique_fd.h"

namespace sluice::callstats {
namespace {

// 0600, since a file that somebody else could shorten under a mapping would be SIGBUS.
constexpr unsigned kMode = 0600;
constexpr mode_t kOthersMayWrite = S_IWGRP | S_IWOTH;
constexpr int kTries = 16;  // each failure is another process that replaced the file in between

// All of it, or what there is.
Result<std::size_t> read_at_start(int fd, void* into, std::size_t size, const std::string& path) {
  std::size_t done = 0;
  while (done < size) {
    const auto got =
        ::pread(fd, static_cast<std::byte*>(into) + done, size - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read " + path);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Status check_file(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return fail_errno(errno, "stat " + path);
  if (!S_ISREG(info.st_mode)) return fail(Code::kInvalid, "it is no regular file");
  if (info.st_uid != ::geteuid() || (info.st_mode & kOthersMayWrite) != 0) {
    return fail(Code::kInvalid, "others may write it");
  }
  Header header;
  SLUICE_TRY([[maybe_unused]] const auto got, read_at_start(fd, &header, sizeof header, path));
  return check_header(header, static_cast<std::uint64_t>(info.st_size));
}

// A complete file under a name of its own, until it is published or this goes.
class Fresh {
 public:
  static Result<Fresh> make(const std::string& path) {
    std::string name = path + ".XXXXXX";
    os::UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd) return fail_errno(errno, "make a temporary file beside " + path);
    Fresh fresh(std::move(fd), std::move(name));
    // Written, not only extended: a hole that finds no room when it is filled would be SIGBUS.
    const auto content = std::make_unique<Layout>(empty_layout());
    const auto put = ::write(fresh.fd_.get(), content.get(), sizeof(Layout));
    if (put != static_cast<ssize_t>(sizeof(Layout))) {
      return fail_errno(put < 0 ? errno : ENOSPC, "write " + fresh.name_);
    }
    if (::fchmod(fresh.fd_.get(), kMode) != 0) return fail_errno(errno, "chmod " + fresh.name_);
    return fresh;
  }
  Fresh(Fresh&& other) noexcept
      : fd_(std::move(other.fd_)), name_(std::exchange(other.name_, std::string())) {}
  Fresh& operator=(Fresh&&) = delete;
  ~Fresh() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }

  // False: somebody else was first.
  Result<bool> publish_new(const std::string& path) const {
    if (::link(name_.c_str(), path.c_str()) == 0) return true;
    if (errno == EEXIST) return false;
    return fail_errno(errno, "make " + path);
  }
  Status replace(const std::string& path) {
    if (::rename(name_.c_str(), path.c_str()) != 0) return fail_errno(errno, "replace " + path);
    name_.clear();
    return {};
  }
  os::UniqueFd take() { return std::move(fd_); }

 private:
  Fresh(os::UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  os::UniqueFd fd_;
  std::string name_;
};

bool is_still(int fd, const std::string& path) {
  struct stat mine {};
  struct stat there {};
  return ::fstat(fd, &mine) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

// In place of a file that is none of ours. Only who holds that one's lock may replace it, so that
// nobody replaces the good one that somebody else has just put there. Unset: look again.
Result<std::optional<os::UniqueFd>> replace_bad(const os::UniqueFd& bad, const std::string& path) {
  while (::flock(bad.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return fail_errno(errno, "lock " + path);
  }
  if (!is_still(bad.get(), path)) return std::optional<os::UniqueFd>();
  SLUICE_TRY(auto fresh, Fresh::make(path));
  SLUICE_CHECK_OK(fresh.replace(path));
  return std::optional(fresh.take());
}

Result<std::optional<os::UniqueFd>> create(const std::string& path) {
  SLUICE_TRY(auto fresh, Fresh::make(path));
  SLUICE_TRY(const bool first, fresh.publish_new(path));
  if (!first) return std::optional<os::UniqueFd>();
  return std::optional(fresh.take());
}

// One look: the file, or none because it has just changed hands.
Result<std::optional<os::UniqueFd>> open_once(const std::string& path) {
  os::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ENOENT) return create(path);
  if (!fd) return fail_errno(errno, "open " + path);
  if (check_file(fd.get(), path)) return std::optional(std::move(fd));
  return replace_bad(fd, path);
}

void add_to(std::uint64_t& counter, std::uint64_t count) {
  std::atomic_ref(counter).fetch_add(count, std::memory_order_relaxed);
}

std::size_t index(Verb verb) { return static_cast<std::size_t>(verb); }
std::size_t index(Step step) { return static_cast<std::size_t>(step); }

std::size_t bucket_of(std::uint64_t us) {
  const auto* const at = std::lower_bound(kBounds.begin(), kBounds.end(), us);
  return static_cast<std::size_t>(at - kBounds.begin());
}

}  // namespace

// A mapping is there only while something is added: a call may take a minute, in which whoever
// resets the file by hand (`: >`) must not end it by SIGBUS.
struct CallStats::Map {
  os::UniqueFd fd;

  template <class Change>
  void change(const Change& change) const {
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0 || info.st_size != off_t{sizeof(Layout)}) return;
    void* const at =
        ::mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (at == MAP_FAILED) return;
    change(*static_cast<Layout*>(at));
    ::munmap(at, sizeof(Layout));
  }
};

std::string_view to_string(Verb verb) {
  switch (verb) {
    case Verb::kAdd:
      return "ADD";
    case Verb::kDel:
      return "DEL";
    case Verb::kCheck:
      return "CHECK";
    case Verb::kGc:
      return "GC";
    case Verb::kStatus:
      return "STATUS";
  }
  return "";
}

std::string_view to_string(Step step) {
  switch (step) {
    case Step::kLock:
      return "lock";
    case Step::kLookup:
      return "lookup";
    case Step::kJournal:
      return "journal";
    case Step::kIpam:
      return "ipam";
    case Step::kPf:
      return "pf";
    case Step::kMove:
      return "move";
    case Step::kRdma:
      return "rdma";
    case Step::kAddress:
      return "address";
    case Step::kEngine:
      return "engine";
    case Step::kTotal:
      return "total";
  }
  return "";
}

std::uint64_t Histogram::total() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

Result<CallStats> CallStats::open(const std::string& path) {
  if (const auto slash = path.rfind('/'); slash != std::string::npos && slash != 0) {
    SLUICE_CHECK_OK(os::make_directories(path.substr(0, slash)));
  }
  for (int i = 0; i < kTries; ++i) {
    SLUICE_TRY(auto fd, open_once(path));
    if (fd) return CallStats(std::make_unique<Map>(Map{std::move(*fd)}));
  }
  return fail(Code::kUnavailable, "file " + path + " is replaced all the time");
}

CallStats::CallStats(std::unique_ptr<Map> map) : map_(std::move(map)) {}
CallStats::CallStats(CallStats&&) noexcept = default;
CallStats& CallStats::operator=(CallStats&&) noexcept = default;
CallStats::~CallStats() = default;

void CallStats::add(Verb verb, Step step, Duration duration) {
  const auto us =
      std::chrono::duration_cast<std::chrono::microseconds>(std::max(duration, Duration::zero()))
          .count();
  const auto value = static_cast<std::uint64_t>(us);
  map_->change([&](Layout& layout) {
    auto& counters = layout.steps[index(verb)][index(step)];
    add_to(counters.counts[bucket_of(value)], 1);
    add_to(counters.sum_us, value);
  });
}

void CallStats::ended(Verb verb, int code) {
  const bool known = code >= 0 && static_cast<std::size_t>(code) < kCodes;
  const auto at = known ? static_cast<std::size_t>(code) : kCodes;
  map_->change([&](Layout& layout) { add_to(layout.codes[index(verb)][at], 1); });
}

void CallStats::repaired(std::uint64_t count) {
  map_->change([&](Layout& layout) { add_to(layout.repaired, count); });
}

// By read(2), so that a file that gets shorter meanwhile is an error and not SIGBUS.
Result<Snapshot> read_snapshot(const std::string& path) {
  const os::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd && errno == ENOENT) return Snapshot{};
  if (!fd) return fail_errno(errno, "open " + path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "stat " + path);
  if (!S_ISREG(info.st_mode)) return fail(Code::kInvalid, "file " + path + " is no regular file");
  const auto layout = std::make_unique<Layout>();
  SLUICE_TRY(const auto got, read_at_start(fd.get(), layout.get(), sizeof(Layout), path));
  const auto size = got == sizeof(Layout) ? static_cast<std::uint64_t>(info.st_size) : got;
  auto checked = check_header(layout->header, size);
  if (!checked) return fail(std::move(checked).error().with("reading " + path));

  Snapshot snapshot;
  for (std::size_t verb = 0; verb < kVerbs; ++verb) {
    for (std::size_t step = 0; step < kSteps; ++step) {
      const auto& counters = layout->steps[verb][step];
      snapshot.steps[verb][step] = {counters.counts, counters.sum_us};
    }
    for (std::size_t code = 0; code <= kCodes; ++code) {
      const auto count = layout->codes[verb][code];
      if (count == 0) continue;
      snapshot.codes[verb].push_back({code == kCodes ? -1 : static_cast<int>(code), count});
    }
  }
  snapshot.repaired = layout->repaired;
  return snapshot;
}

}  // namespace sluice::callstats
