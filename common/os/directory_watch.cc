// SPDX-License-Identifier: Apache-2.0
#include "common/os/directory_watch.h"

#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sluice::os {

Result<std::unique_ptr<DirectoryWatch>> DirectoryWatch::open(EventLoop& loop,
                                                             const std::string& directory,
                                                             std::function<void()> changed) {
  UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return fail_errno(errno, "inotify_init1");
  constexpr std::uint32_t kMask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                  IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  if (::inotify_add_watch(fd.get(), directory.c_str(), kMask) < 0) {
    return fail_errno(errno, "watch the directory " + directory);
  }
  std::unique_ptr<DirectoryWatch> watch(
      new DirectoryWatch(loop, std::move(fd), std::move(changed)));
  SLUICE_CHECK_OK(loop.watch(watch->fd_.get(), [w = watch.get()] { w->drain(); }));
  return watch;
}

DirectoryWatch::DirectoryWatch(EventLoop& loop, UniqueFd fd, std::function<void()> changed)
    : loop_(loop), fd_(std::move(fd)), changed_(std::move(changed)) {}

DirectoryWatch::~DirectoryWatch() { loop_.unwatch(fd_.get()); }

void DirectoryWatch::drain() {
  alignas(inotify_event) std::array<char, 16384> buffer;
  while (true) {
    const auto size = ::read(fd_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0) {
        alive_ = false;
      }
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
  // A copy: the callback may destroy this watch (and open another) while it runs.
  const auto changed = changed_;
  changed();
}

}  // namespace sluice::os
