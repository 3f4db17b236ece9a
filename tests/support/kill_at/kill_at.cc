// SPDX-License-Identifier: Apache-2.0
// kill-at N PROGRAM [ARGUMENT...]: runs a program and kills it, as kill -9 would, at the entry of
// its Nth system call that changes something outside of it (kChanging, and whatever makes a file);
// the call itself doesn't happen any more. N from 1 to what `kill-at 0` counts is before each call
// of this list. What a program changes by other calls, or by writing to mapped memory, isn't known
// here.
//
// Exit status: 99 when it was killed, else the program's own (128 + signal when it died of one).
// On descriptor 3, if it is open: how many such calls it has made. Programs that the program starts
// are neither counted nor killed: they go on, as after a crash of their parent.
// Source: ptrace(2), PTRACE_GET_SYSCALL_INFO.
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kKilled = 99, kBadUsage = 2, kCannotTrace = 3, kReportTo = 3;

// What reaches the disk, the kernel or another process. Reading and the program's own memory don't
// matter to anybody after its death.
constexpr std::array kChanging = {
    SYS_write,  SYS_pwrite64, SYS_writev,    SYS_sendto,  SYS_sendmsg,   SYS_sendmmsg,  SYS_fsync,
    SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink,  SYS_unlinkat,  SYS_mkdir,     SYS_mkdirat,
    SYS_rmdir,  SYS_link,     SYS_linkat,    SYS_symlink, SYS_symlinkat, SYS_ftruncate, SYS_connect,
    SYS_clone,  SYS_clone3,   SYS_vfork,     SYS_fork,    SYS_flock,     SYS_fdatasync, SYS_setns,
    SYS_chmod,  SYS_fchmod,   SYS_fchmodat,  SYS_mount,   SYS_umount2,   SYS_exit_group};

bool creates(const __ptrace_syscall_info& call) {
  return (call.entry.nr == SYS_openat && (call.entry.args[2] & O_CREAT) != 0) ||
         (call.entry.nr == SYS_open && (call.entry.args[1] & O_CREAT) != 0);
}

bool changes(const __ptrace_syscall_info& call) {
  const auto number = static_cast<long>(call.entry.nr);
  return creates(call) || std::find(kChanging.begin(), kChanging.end(), number) != kChanging.end();
}

[[noreturn]] void become(char** argv) {
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::raise(SIGSTOP);
  ::close(kReportTo);
  ::execvp(argv[0], argv);
  std::fprintf(stderr, "kill-at: %s: %s\n", argv[0], std::strerror(errno));
  std::_Exit(127);
}

class Run {
 public:
  Run(pid_t program, unsigned long at) : program_(program), at_(at) {}

  int to_its_end() {
    while (true) {
      int status = 0;
      const auto thread = ::waitpid(-1, &status, __WALL);
      if (thread < 0) return kCannotTrace;
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        if (thread != program_) continue;
        if (killed_) return kKilled;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      }
      if (WIFSTOPPED(status)) go_on(thread, status);
    }
  }

  unsigned long count() const { return count_; }

 private:
  void go_on(pid_t thread, int status) {
    int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      signal = 0;
      look_at_call(thread);
    } else if (signal == SIGTRAP || signal == SIGSTOP) {
      signal = 0;  // an event of the tracing itself, or a new thread's first stop
    }
    ::ptrace(PTRACE_SYSCALL, thread, nullptr, reinterpret_cast<void*>(static_cast<long>(signal)));
  }

  void look_at_call(pid_t thread) {
    __ptrace_syscall_info call{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof call, &call) <= 0) return;
    if (call.op != PTRACE_SYSCALL_INFO_ENTRY || !changes(call) || killed_) return;
    if (++count_ != at_) return;
    killed_ = true;
    ::kill(program_, SIGKILL);
  }

  pid_t program_;
  unsigned long at_, count_ = 0;
  bool killed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  char* end = nullptr;
  const auto at = argc > 2 ? std::strtoul(argv[1], &end, 10) : 0;
  if (argc < 3 || *argv[1] == '\0' || *end != '\0') {
    std::fprintf(stderr, "usage: kill-at N PROGRAM [ARGUMENT...]     N = 0: only count\n");
    return kBadUsage;
  }
  const bool report = ::fcntl(kReportTo, F_GETFD) >= 0;
  const auto program = ::fork();
  if (program == 0) become(argv + 2);
  int status = 0;
  // Threads belong to the run, other programs don't; nobody is left stopped when we die.
  constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
  if (program < 0 || ::waitpid(program, &status, 0) != program || !WIFSTOPPED(status) ||
      ::ptrace(PTRACE_SETOPTIONS, program, nullptr, reinterpret_cast<void*>(kOptions)) != 0) {
    std::fprintf(stderr, "kill-at: can't trace: %s\n", std::strerror(errno));
    if (program > 0) ::kill(program, SIGKILL);
    return kCannotTrace;
  }
  Run run(program, at);
  ::ptrace(PTRACE_SYSCALL, program, nullptr, nullptr);
  const auto code = run.to_its_end();
  if (report) ::dprintf(kReportTo, "%lu\n", run.count());
  return code;
}
