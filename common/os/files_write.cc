// SPDX-License-Identifier: Apache-2.0
// The writing half of files.h.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <memory>

#include "common/os/files.h"

namespace sluice::os {
namespace {

constexpr std::string_view kTemporarySuffix = ".XXXXXX";  // filled in by mkostemp(3)

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const auto put = ::write(fd, content.data(), content.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "write " + path);
    }
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Status sync_directory(const std::string& path) {
  const UniqueFd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir) return fail_errno(errno, "open directory " + path);
  // Some filesystems (FUSE, overlay variants) can't sync a directory; the rename stands anyway.
  if (::fsync(dir.get()) != 0 && errno != EINVAL) return fail_errno(errno, "fsync " + path);
  return {};
}

Status fill_temporary(int fd, std::string_view content, unsigned mode, const std::string& path) {
  if (::fchmod(fd, static_cast<mode_t>(mode)) != 0) return fail_errno(errno, "chmod " + path);
  SLUICE_CHECK_OK(write_all(fd, content, path));
  if (::fsync(fd) != 0) return fail_errno(errno, "fsync " + path);
  return {};
}

// Also true for a bind mount within one filesystem, which a comparison of devices misses.
bool is_mount_root(int parent, const std::string& name) {
  struct statx info {};
  if (::statx(parent, name.c_str(), AT_SYMLINK_NOFOLLOW, 0, &info) != 0) return false;
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

constexpr int kMaxDepth = 128;  // a descriptor is held per level

Status remove_entry(int parent, const std::string& name, dev_t device, int depth);

Status remove_children(UniqueFd fd, const std::string& name, dev_t device, int depth) {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), &::closedir);
  if (!dir) return fail_errno(errno, "list " + name);
  [[maybe_unused]] const int owned_by_dir = fd.release();
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string child = entry->d_name;
    if (child == "." || child == "..") continue;
    SLUICE_CHECK_OK(remove_entry(::dirfd(dir.get()), child, device, depth + 1));
  }
  if (errno != 0) return fail_errno(errno, "list " + name);
  return {};
}

Status remove_entry(int parent, const std::string& name, dev_t device, int depth) {
  if (depth > kMaxDepth) return fail(Code::kInvalid, "directory " + name + " is nested too deep");
  struct stat info {};
  if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, "stat " + name);
  }
  if (info.st_dev != device || is_mount_root(parent, name)) {
    return fail(Code::kPrecondition, name + " is a mount point; unmount it first");
  }
  if (!S_ISDIR(info.st_mode)) {
    if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    return fail_errno(errno, "remove " + name);
  }
  UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail_errno(errno, "open " + name);
  SLUICE_CHECK_OK(remove_children(std::move(fd), name, device, depth));
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  return fail_errno(errno, "remove " + name);
}

}  // namespace

Status write_file_atomic(const std::string& path, std::string_view content, unsigned mode) {
  const std::string directory = directory_of(path);
  std::string temporary = path + std::string(kTemporarySuffix);
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return fail_errno(errno, "make a temporary file beside " + path);
  auto status = fill_temporary(fd.get(), content, mode, temporary);
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = fail_errno(errno, "rename " + temporary + " to " + path);
  }
  if (!status) {
    ::unlink(temporary.c_str());
    return status;
  }
  return sync_directory(directory);
}

std::string temporary_target(const std::string& name) {
  if (name.size() <= kTemporarySuffix.size()) return "";
  const auto end = name.size() - kTemporarySuffix.size();
  const bool is_one =
      name[end] == kTemporarySuffix.front() &&
      std::all_of(name.begin() + static_cast<std::ptrdiff_t>(end) + 1, name.end(),
                  [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; });
  return is_one ? name.substr(0, end) : "";
}

Status make_directories(const std::string& path, unsigned mode) {
  if (path.empty()) return fail(Code::kInvalid, "path '' is empty");
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};  // the usual case
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), static_cast<mode_t>(mode)) == 0) {
      SLUICE_CHECK_OK(sync_directory(directory_of(part)));
      continue;
    }
    const int number = errno;
    // EROFS, EACCES and so on are no failure when the directory is there already.
    if (::stat(part.c_str(), &info) != 0) return fail_errno(number, "make directory " + part);
    if (!S_ISDIR(info.st_mode)) return fail_errno(ENOTDIR, "make directory " + part);
  }
  return {};
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return fail_errno(errno, "remove " + path);
}

Status remove_tree(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, "stat " + path);
  }
  if (path == "/") return fail(Code::kInvalid, "path '/' is the root directory");
  // Compared with the parent's device: `path` itself must be no mount point either.
  struct stat parent {};
  const std::string directory = directory_of(path);
  if (::stat(directory.c_str(), &parent) != 0) return fail_errno(errno, "stat " + directory);
  auto status = remove_entry(AT_FDCWD, path, parent.st_dev, 0);
  if (!status) return fail(std::move(status).error().with("removing " + path));
  return {};
}

}  // namespace sluice::os
