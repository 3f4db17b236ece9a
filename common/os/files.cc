// SPDX-License-Identifier: Apache-2.0
#include "common/os/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

namespace sluice::os {
namespace {

struct DirCloser {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, DirCloser>;

// "a/../b" is fine, "../a" and "a/../../b" are not: the kernel would clamp them to the root, which
// hides a caller's mistake.
Status check_relative(const std::string& path) {
  if (path.empty()) return fail(Code::kInvalid, "path '' is empty; '.' is the root itself");
  if (path.front() == '/') {
    return fail(Code::kInvalid, "path '" + path + "' is absolute; it must be relative to the root");
  }
  if (path.find('\0') != std::string::npos) {
    return fail(Code::kInvalid, "path holds a zero byte");
  }
  int depth = 0;
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    const auto part = std::string_view(path).substr(at, end - at);
    if (part == "..") {
      --depth;
    } else if (!part.empty() && part != ".") {
      ++depth;
    }
    if (depth < 0) return fail(Code::kInvalid, "path '" + path + "' leaves its root");
    at = end + 1;
  }
  return {};
}

// Resolved within the root. Code::kUnsupported without openat2.
Result<UniqueFd> open_confined(int root, const std::string& relative, int flags) {
  SLUICE_CHECK_OK(check_relative(relative));
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  constexpr int kTries = 32;  // EAGAIN: a rename or mount raced with the walk
  for (int i = 0; i < kTries; ++i) {
    const long fd = ::syscall(SYS_openat2, root, relative.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return fail_errno(errno, "open " + relative);
}

// Kernels before 5.6 and some seccomp filters have no openat2. Then symbolic links are followed as
// by openat(2): the textual check still holds, a hostile link inside the root does not.
Result<UniqueFd> open_below(int root, const std::string& relative, int flags) {
  auto confined = open_confined(root, relative, flags);
  if (confined) return confined;
  const int number = confined.error().native;
  if (number != ENOSYS && number != EPERM && number != EAGAIN) return confined;
  UniqueFd fd(::openat(root, relative.c_str(), flags | O_CLOEXEC));
  if (!fd) return fail_errno(errno, "open " + relative);
  return fd;
}

Result<std::string> read_all(int fd, const std::string& name, std::size_t limit) {
  std::string content;
  char chunk[16384];
  while (true) {
    const auto got = ::read(fd, chunk, sizeof chunk);
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "read " + name);
    }
    if (got == 0) return content;
    if (content.size() + static_cast<std::size_t>(got) > limit) {
      return fail(Code::kInvalid,
                  "file " + name + " is larger than " + std::to_string(limit) + " bytes");
    }
    content.append(chunk, static_cast<std::size_t>(got));
  }
}

Result<FileLock> lock_error(int number, const std::string& path) {
  if (number == EWOULDBLOCK) {
    Error error = errno_error(number, "lock " + path + " is held by another process");
    error.code = Code::kPrecondition;
    error.retry = Retry::kLater;
    return fail(std::move(error));
  }
  return fail_errno(number, "lock " + path);
}

// The holder before us may have removed the file: then our lock guards a name that is gone.
bool still_named(int fd, const std::string& path) {
  struct stat ours {};
  struct stat named {};
  return ::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &named) == 0 &&
         ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

Result<UniqueFd> open_and_lock(const std::string& path, int operation, int* number) {
  while (true) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return fail_errno(errno, "open lock file " + path);
    int done = 0;
    do {
      done = ::flock(fd.get(), operation);
    } while (done != 0 && errno == EINTR);
    *number = done == 0 ? 0 : errno;
    if (done != 0 || still_named(fd.get(), path)) return fd;
  }
}

}  // namespace

Result<Root> Root::open(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, "open root " + directory);
  return Root(directory, std::move(fd));
}

Result<std::string> Root::read(const std::string& relative, std::size_t limit) const {
  // O_NONBLOCK: a FIFO planted in the tree must not hang the reader.
  SLUICE_TRY(auto fd, open_below(fd_.get(), relative, O_RDONLY | O_NONBLOCK));
  return read_all(fd.get(), relative, limit);
}

Result<std::string> Root::read_line(const std::string& relative) const {
  SLUICE_TRY(auto text, read(relative));
  if (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.find('\n') != std::string::npos) {
    return fail(Code::kInvalid, "file " + relative + " has more than one line");
  }
  return text;
}

Result<std::vector<std::string>> Root::list(const std::string& relative) const {
  SLUICE_TRY(auto fd, open_below(fd_.get(), relative, O_RDONLY | O_DIRECTORY));
  Dir dir(::fdopendir(fd.get()));
  if (!dir) return fail_errno(errno, "list " + relative);
  [[maybe_unused]] const int owned_by_dir = fd.release();
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return fail_errno(errno, "list " + relative);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> Root::read_link(const std::string& relative) const {
  SLUICE_TRY(auto fd, open_below(fd_.get(), relative, O_PATH | O_NOFOLLOW));
  char target[PATH_MAX];
  const auto got = ::readlinkat(fd.get(), "", target, sizeof target);
  // An O_PATH descriptor of something that is no link: ENOENT, which would read as "not there".
  if (got < 0) return fail_errno(errno == ENOENT ? EINVAL : errno, "read link " + relative);
  if (static_cast<std::size_t>(got) == sizeof target) {
    return fail(Code::kInvalid, "link " + relative + " is longer than PATH_MAX");
  }
  return std::string(target, static_cast<std::size_t>(got));
}

bool Root::exists(const std::string& relative) const {
  return open_below(fd_.get(), relative, O_PATH).has_value();
}

Status Root::write(const std::string& relative, std::string_view content) const {
  // O_NONBLOCK as for reading; O_TRUNC is for a tree that isn't sysfs.
  SLUICE_TRY(const auto fd, open_confined(fd_.get(), relative, O_WRONLY | O_NONBLOCK | O_TRUNC));
  ssize_t put = 0;
  do {
    put = ::write(fd.get(), content.data(), content.size());
  } while (put < 0 && errno == EINTR);
  if (put < 0) return fail_errno(errno, "write " + relative);
  if (static_cast<std::size_t>(put) == content.size()) return {};
  return fail(Code::kInternal, "write " + relative + ": " + std::to_string(put) + " of " +
                                   std::to_string(content.size()) + " bytes were taken");
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return fail_errno(errno, "open " + path);
  return read_all(fd.get(), path, limit);
}

Result<FileLock> FileLock::acquire(const std::string& path) {
  int number = 0;
  SLUICE_TRY(auto fd, open_and_lock(path, LOCK_EX, &number));
  if (number != 0) return lock_error(number, path);
  return FileLock(std::move(fd));
}

Result<FileLock> FileLock::try_acquire(const std::string& path) {
  int number = 0;
  SLUICE_TRY(auto fd, open_and_lock(path, LOCK_EX | LOCK_NB, &number));
  if (number != 0) return lock_error(number, path);
  return FileLock(std::move(fd));
}

}  // namespace sluice::os
