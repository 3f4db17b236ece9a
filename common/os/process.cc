// SPDX-License-Identifier: Apache-2.0
#include "common/os/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/os/unique_fd.h"

extern char** environ;

namespace sluice::os {
namespace {

constexpr std::size_t kMaxOutputBytes = std::size_t{1} << 20U;

// Out of the way of the child's 0, 1 and 2, which are filled by dup2 in turn.
Result<UniqueFd> above_stdio(UniqueFd fd) {
  if (fd.get() > 2) return fd;
  UniqueFd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!moved) return fail_errno(errno, "duplicate a descriptor");
  return moved;
}

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  UniqueFd read(ends[0]);
  UniqueFd write(ends[1]);
  Pipe pipe;
  SLUICE_TRY(pipe.read, above_stdio(std::move(read)));
  SLUICE_TRY(pipe.write, above_stdio(std::move(write)));
  // Ours only: a child must see blocking descriptors.
  if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno(errno, "set a pipe");
  return pipe;
}

// A file in memory instead of a pipe: the child can read it when it likes, open it by /dev/stdin,
// or leave it (no SIGPIPE for us).
Result<UniqueFd> make_input(std::string_view input) {
  if (input.empty()) {
    UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null) return fail_errno(errno, "open /dev/null");
    return above_stdio(std::move(null));
  }
  UniqueFd fd(::memfd_create("input", MFD_CLOEXEC));
  if (!fd) return fail_errno(errno, "make a memory file");
  while (!input.empty()) {
    const auto put = ::write(fd.get(), input.data(), input.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "write a program's input");
    input.remove_prefix(static_cast<std::size_t>(put));
  }
  ::lseek(fd.get(), 0, SEEK_SET);
  return above_stdio(std::move(fd));
}

class SpawnSetup {
 public:
  SpawnSetup() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

// What exec wants; of no use after `words` has gone or changed.
std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (const auto& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

Result<pid_t> spawn(const std::vector<std::string>& argv, char* const* environment, int in, int out,
                    int err) {
  SpawnSetup setup;
  ::posix_spawn_file_actions_adddup2(&setup.actions, in, 0);
  ::posix_spawn_file_actions_adddup2(&setup.actions, out, 1);
  ::posix_spawn_file_actions_adddup2(&setup.actions, err, 2);
  // Libraries may have descriptors without O_CLOEXEC.
  ::posix_spawn_file_actions_addclosefrom_np(&setup.actions, 3);
  // A group of its own, so that the deadline takes its children too; and the signals that this
  // process blocks for its signalfd must work in the child.
  sigset_t none;
  sigemptyset(&none);
  sigset_t all;
  sigfillset(&all);
  ::posix_spawnattr_setpgroup(&setup.attributes, 0);
  ::posix_spawnattr_setsigmask(&setup.attributes, &none);
  ::posix_spawnattr_setsigdefault(&setup.attributes, &all);
  ::posix_spawnattr_setflags(
      &setup.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const auto words = pointers_to(argv);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, words[0], &setup.actions, &setup.attributes, words.data(), environment);
  if (error != 0) return fail_errno(error, "start " + argv[0]);
  return pid;
}

// Reads what is there; false at the end of the stream. Beyond the limit it is read and forgotten,
// so that a talkative program isn't blocked for ever.
bool drain(int fd, std::string& into) {
  std::array<char, 16384> chunk;
  constexpr int kMaxReads = 64;  // a stream that never dries up can't outlast the deadline
  for (int i = 0; i < kMaxReads; ++i) {
    const auto got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    const std::size_t room = kMaxOutputBytes - into.size();
    into.append(chunk.data(), std::min(room, static_cast<std::size_t>(got)));
  }
  return true;
}

class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  Result<int> reap() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) {
      if (errno != EINTR) return fail_errno(errno, "wait for a program");
    }
    pid_ = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  pid_t pid_;
};

// Until the program has ended (not until its output has: a daemon it left behind may keep that).
Status wait_for_end(const std::string& name, int pidfd, UniqueFd& out, UniqueFd& err, Exit& exit,
                    Duration deadline) {
  const SteadyClock clock;
  const TimePoint end = clock.now() + std::min<Duration>(deadline, std::chrono::hours(24));
  while (true) {
    const Duration left = end - clock.now();
    if (left <= Duration::zero()) {
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(deadline).count();
      return fail(Error{Code::kTimeout,
                        Domain::kTool,
                        0,
                        name + " did not end within " + std::to_string(ms) + " ms and was killed",
                        {},
                        Retry::kLater});
    }
    std::array<pollfd, 3> entries{
        {{pidfd, POLLIN, 0}, {out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}}};
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    const int ready = ::poll(entries.data(), entries.size(), static_cast<int>(wait));
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "wait for " + name);
    if (ready <= 0) continue;
    if (entries[1].revents != 0 && !drain(out.get(), exit.out)) out.reset();
    if (entries[2].revents != 0 && !drain(err.get(), exit.err)) err.reset();
    if (entries[0].revents != 0) return {};
  }
}

Result<Exit> run(const std::vector<std::string>& argv, std::string_view input, Duration deadline,
                 char* const* environment) {
  if (argv.empty() || argv[0].empty()) return fail(Code::kInvalid, "argv holds no program name");
  SLUICE_TRY(auto in, make_input(input));
  SLUICE_TRY(auto out, make_pipe());
  SLUICE_TRY(auto err, make_pipe());
  SLUICE_TRY(const pid_t pid, spawn(argv, environment, in.get(), out.write.get(), err.write.get()));
  Child child(pid);
  out.write.reset();
  err.write.reset();
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return fail_errno(errno, "watch " + argv[0]);

  Exit exit;
  SLUICE_CHECK_OK(wait_for_end(argv[0], pidfd.get(), out.read, err.read, exit, deadline));
  if (out.read) drain(out.read.get(), exit.out);
  if (err.read) drain(err.read.get(), exit.err);
  SLUICE_TRY(exit.status, child.reap());
  return exit;
}

}  // namespace

Result<Exit> run_program(const std::vector<std::string>& argv, std::string_view input,
                         Duration deadline) {
  return run(argv, input, deadline, environ);
}

Result<Exit> run_program(const std::vector<std::string>& argv, std::string_view input,
                         Duration deadline, const std::vector<std::string>& environment) {
  return run(argv, input, deadline, pointers_to(environment).data());
}

Status run_checked(const std::vector<std::string>& argv, std::string_view input,
                   Duration deadline) {
  SLUICE_TRY(auto exit, run_program(argv, input, deadline));
  if (exit.status == 0) return {};
  constexpr std::size_t kMaxMessage = 4096;
  std::string reason = exit.err.substr(0, kMaxMessage);
  while (!reason.empty() && (reason.back() == '\n' || reason.back() == ' ')) reason.pop_back();
  if (reason.empty()) reason = "exit status " + std::to_string(exit.status);
  return fail(Error{
      Code::kInternal, Domain::kTool, exit.status, argv[0] + ": " + reason, {}, Retry::kNever});
}

}  // namespace sluice::os
