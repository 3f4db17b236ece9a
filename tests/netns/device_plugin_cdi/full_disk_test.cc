// SPDX-License-Identifier: Apache-2.0
// CDI files on a filesystem that is full: a small tmpfs in a mount namespace of the test's own.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "common/os/files.h"
#include "device-plugin/cdi/spec_store.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::cdi {
namespace {

// Runs `check` in a process whose mounts nobody else sees; what it returns is the first thing that
// was wrong, or "".
std::string in_private_mounts(const std::string& directory,
                              const std::function<std::string(const std::string&)>& check) {
  int pipe_fds[2];
  REQUIRE(::pipe(pipe_fds) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(pipe_fds[0]);
    std::string wrong;
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("sl-cdi", directory.c_str(), "tmpfs", 0, "size=64k") != 0) {
      wrong = "no mount namespace with a tmpfs of its own (root is needed)";
    } else {
      wrong = check(directory);
    }
    const auto put = ::write(pipe_fds[1], wrong.data(), wrong.size());
    ::_exit(put == static_cast<ssize_t>(wrong.size()) ? 0 : 1);
  }
  ::close(pipe_fds[1]);
  std::string wrong;
  char buffer[512];
  for (ssize_t got = 0; (got = ::read(pipe_fds[0], buffer, sizeof buffer)) > 0;) {
    wrong.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(pipe_fds[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  return wrong;
}

Spec spec_of(std::size_t devices) {
  Spec spec{"sluice.dev/vf", {}};
  for (std::size_t n = 0; n < devices; ++n) {
    spec.devices.push_back({"d" + std::to_string(n), {{"/dev/x", "/dev/x", "rw"}}, {}, {}});
  }
  return spec;
}

std::string check_full(const std::string& directory) {
  auto store = SpecStore::open(directory);
  if (!store) return store.error().to_string();
  if (const auto status = store->put("pool-vf", spec_of(3)); !status) {
    return status.error().to_string();
  }
  const std::string path = directory + "/sluice-dp-pool-vf.json";
  const auto full = store->put("pool-vf", spec_of(2000));
  if (full) return "a file larger than its filesystem was written";
  if (full.error().code != Code::kExhausted) return "other code: " + full.error().to_string();
  const auto present = os::read_file(path);
  if (!present || *present != render(spec_of(3))) return "the old file has not stayed";
  const auto sets = store->sets();
  if (!sets || sets->size() != 1) return "another set is there";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    files += entry.is_regular_file() ? 1U : 0U;
  }
  if (files != 1) return "an unfinished file is left";
  if (const auto status = store->put("pool-vf", spec_of(4)); !status) {
    return "no room for what fits: " + status.error().to_string();
  }
  return "";
}

TEST_CASE("A full filesystem: the error says so, the old file stays, nothing is left over") {
  const test::TempDir dir;
  CHECK(in_private_mounts(dir.path(), check_full) == "");
}

}  // namespace
}  // namespace sluice::cdi
