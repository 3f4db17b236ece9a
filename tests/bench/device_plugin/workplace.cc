// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/device_plugin/workplace.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace sluice::bench {

Result<Workplace> Workplace::make() {
  if (::geteuid() != 0) {
    return fail(Code::kPermission, "this makes namespaces and mounts and needs root");
  }
  // Forks get a namespace each and then exec: nothing of gRPC survives that.
  ::setenv("GRPC_ENABLE_FORK_SUPPORT", "false", 1);
  std::string path = "/tmp/sluice-bench-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return fail_errno(errno, "mkdtemp");
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("sluice-bench", path.c_str(), "tmpfs", 0, "mode=0700") != 0) {
    const int error = errno;
    ::rmdir(path.c_str());
    return fail_errno(error, "mounting " + path);
  }
  return Workplace(path);
}

Workplace::~Workplace() {
  if (path_.empty()) return;
  ::umount2(path_.c_str(), MNT_DETACH);
  ::rmdir(path_.c_str());
}

}  // namespace sluice::bench
