// SPDX-License-Identifier: Apache-2.0
#include "common/os/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <thread>

#include "common/os/files.h"

namespace sluice::os {
namespace {

Result<ino_t> inode_of(int fd, const std::string& what) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return fail_errno(errno, "stat " + what);
  return info.st_ino;
}

// True when the file is a namespace, not the empty file that is left when its mount is gone.
bool is_namespace(int fd) {
  struct statfs info {};
  return ::fstatfs(fd, &info) == 0 && info.f_type == static_cast<__fsword_t>(NSFS_MAGIC);
}

// Takes the thread back, also when the work threw.
class Return {
 public:
  explicit Return(int home) : home_(home) {}
  Return(const Return&) = delete;
  Return& operator=(const Return&) = delete;
  ~Return() {
    if (::setns(home_, CLONE_NEWNET) != 0) std::abort();
  }

 private:
  int home_;
};

// A namespace is made by a thread that has it as its own: not by the caller's, which must stay as
// it is. Costs more than run_in()'s way and back.
Status on_own_thread(const std::function<Status()>& work) {
  Status status;
  try {
    std::thread([&] { status = work(); }).join();
  } catch (const std::system_error& error) {
    return fail_errno(error.code().value(), "start a thread for a network namespace");
  }
  return status;
}

Status unshare_network() {
  if (::unshare(CLONE_NEWNET) != 0) return fail_errno(errno, "make a network namespace");
  return {};
}

Status mount_on(const std::string& path) {
  if (::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return fail_errno(errno, "bind mount a network namespace on " + path);
  }
  return {};
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<NetNs> NetNs::current() { return open("/proc/thread-self/ns/net"); }

Result<NetNs> NetNs::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(errno, "open network namespace " + path);
  if (!is_namespace(fd.get())) {
    return fail(Code::kInvalid, "file " + path + " is not a network namespace");
  }
  SLUICE_TRY(const auto inode, inode_of(fd.get(), path));
  return NetNs(std::move(fd), inode);
}

Result<NetNs> NetNs::create_named(const std::string& path) {
  SLUICE_CHECK_OK(make_directories(parent_of(path)));
  const UniqueFd target(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0444));
  if (!target) return fail_errno(errno, "make " + path);
  if (is_namespace(target.get())) return open(path);

  auto status = on_own_thread([&]() -> Status {
    SLUICE_CHECK_OK(unshare_network());
    return mount_on(path);
  });
  if (!status) {
    ::unlink(path.c_str());
    return fail(std::move(status).error());
  }
  return open(path);
}

Result<NetNs> NetNs::create_anonymous() {
  Result<NetNs> made = fail(Code::kInternal, "the thread did not run");
  const auto status = on_own_thread([&]() -> Status {
    SLUICE_CHECK_OK(unshare_network());
    made = current();
    return {};
  });
  if (!status) return fail(status.error());
  return made;
}

Status NetNs::remove_named(const std::string& path) {
  // Stacked mounts (two creators that raced) come off one by one.
  constexpr int kMaxStacked = 16;
  for (int i = 0; i < kMaxStacked; ++i) {
    if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == ENOENT) return {};
    if (errno != EINVAL) return fail_errno(errno, "unmount network namespace " + path);
    break;  // EINVAL: not mounted
  }
  return remove_file(path);
}

Status NetNs::run_in(const std::function<Status()>& work) const {
  SLUICE_TRY(const auto home, current());
  if (::setns(fd_.get(), CLONE_NEWNET) != 0) return fail_errno(errno, "enter a network namespace");
  const Return back(home.fd());
  return work();
}

}  // namespace sluice::os
