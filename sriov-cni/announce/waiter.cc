// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/announce/waiter.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace sluice::cni {
namespace {

// Whoever reads the caller's output waits until the last one who could write to it has gone.
void close_all_but(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (!std::binary_search(keep.begin(), keep.end(), fd)) ::dup2(null, fd);
  }
  unsigned from = STDERR_FILENO + 1;
  for (const int fd : keep) {
    const auto kept = static_cast<unsigned>(fd);
    if (kept < from) continue;
    if (kept > from) ::close_range(from, kept - 1, 0);
    from = kept + 1;
  }
  ::close_range(from, UINT_MAX, 0);
}

[[noreturn]] void run(const std::vector<int>& keep, std::chrono::seconds deadline,
                      const std::function<void()>& work) {
  // What the caller handles or blocks is not for us; SIGALRM's default is to end the process.
  ::signal(SIGALRM, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::alarm(static_cast<unsigned>(deadline.count()));
  ::setsid();
  close_all_but(keep);
  work();
  ::_exit(0);
}

}  // namespace

Status start_detached(const std::vector<int>& keep, std::chrono::seconds deadline,
                      const std::function<void()>& work) {
  // The one in between ends at once, so that the second is init's and never a zombie of ours.
  const pid_t between = ::fork();
  if (between < 0) return fail_errno(errno, "fork");
  if (between == 0) {
    const pid_t child = ::fork();
    if (child == 0) run(keep, deadline, work);
    ::_exit(child < 0 ? errno : 0);
  }
  int status = 0;
  while (::waitpid(between, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno(errno, "wait for a child process");
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail_errno(WIFEXITED(status) ? WEXITSTATUS(status) : EINTR, "fork");
}

}  // namespace sluice::cni
