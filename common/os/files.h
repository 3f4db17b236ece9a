// SPDX-License-Identifier: Apache-2.0
// Files below a root that can be moved (tests, containers), atomic replacement, and locks.
//
// Root never leaves its directory: paths are relative, ".." beyond the root is an error (openat2
// with RESOLVE_IN_ROOT where the kernel has it). Symbolic links inside the root are followed, as in
// sysfs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/os/unique_fd.h"

namespace sluice::os {

inline constexpr std::size_t kMaxFileBytes = std::size_t{16} << 20U;

class Root {
 public:
  static Result<Root> open(const std::string& directory);
  const std::string& path() const { return path_; }

  // The whole file; larger than `limit` is Code::kInvalid. read_line(): without the final newline.
  Result<std::string> read(const std::string& relative, std::size_t limit = kMaxFileBytes) const;
  Result<std::string> read_line(const std::string& relative) const;
  // Names in a directory, sorted, without "." and "..".
  Result<std::vector<std::string>> list(const std::string& relative) const;
  Result<std::string> read_link(const std::string& relative) const;
  bool exists(const std::string& relative) const;
  // Into a file that exists, by one write(2), as the attributes of sysfs take it. A kernel without
  // openat2: Code::kUnsupported, since a hostile link could lead out of the root.
  Status write(const std::string& relative, std::string_view content) const;

 private:
  Root(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  UniqueFd fd_;
};

Result<std::string> read_file(const std::string& path, std::size_t limit = kMaxFileBytes);
// Writes a temporary file beside it, fsyncs, renames, fsyncs the directory. Readers see the old or
// the new.
Status write_file_atomic(const std::string& path, std::string_view content, unsigned mode = 0644);
// The name of its target, when `name` is that of a temporary file of write_file_atomic(), which
// stays behind when the process is killed; else "".
std::string temporary_target(const std::string& name);
// One that is made is as lasting as what is written into it: its parent is fsynced, too.
Status make_directories(const std::string& path, unsigned mode = 0755);
// Gone already: success. Not fsynced: after a crash it may be there again.
Status remove_file(const std::string& path);
Status remove_tree(const std::string& path);  // never crosses a mount point; gone: success

// An exclusive flock(2) on a file, held until destruction; the kernel drops it when the process
// dies.
class FileLock {
 public:
  static Result<FileLock> acquire(const std::string& path);  // waits
  static Result<FileLock> try_acquire(
      const std::string& path);  // held elsewhere: Code::kPrecondition
 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace sluice::os
