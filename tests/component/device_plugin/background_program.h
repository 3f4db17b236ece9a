// SPDX-License-Identifier: Apache-2.0
// A program that runs beside a test and never outlives it.
#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace sluice::testing {

class BackgroundProgram {
 public:
  explicit BackgroundProgram(const std::vector<std::string>& argv) {
    std::vector<char*> arguments;
    for (const auto& word : argv) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    // The programs block signals for themselves; what the test runner blocks is not theirs.
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (::posix_spawn(&pid_, arguments[0], nullptr, &attributes, arguments.data(), environ) != 0) {
      pid_ = -1;
    }
    ::posix_spawnattr_destroy(&attributes);
  }
  ~BackgroundProgram() {
    if (pid_ > 0) stop(SIGKILL);
  }
  BackgroundProgram(const BackgroundProgram&) = delete;
  BackgroundProgram& operator=(const BackgroundProgram&) = delete;

  // The exit status, or 128 + the signal that it died of.
  int stop(int signal) {
    if (pid_ <= 0) return -1;
    ::kill(pid_, signal);
    int status = 0;
    const auto waited = ::waitpid(pid_, &status, 0);
    pid_ = -1;
    if (waited < 0) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
};

}  // namespace sluice::testing
