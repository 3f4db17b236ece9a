// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/device_plugin/room.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "common/netlink/rtnetlink.h"
#include "common/os/files.h"
#include "common/os/unique_fd.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kOutputBytes = 1U << 20U, kTailBytes = 4096;

// What the child says through the pipe: the time of its exec, then, if that failed, why.
struct Word {
  std::int64_t nanoseconds = 0;
  int step = 0, error = 0;
};
constexpr std::array kSteps = {"", "namespaces", "private mounts", "mounts", "exec"};

struct Plan {
  int netns = -1, pipe = -1, output = -1;
  std::array<std::array<std::string, 2>, 5> binds;  // from, to
  std::vector<char*> argv;
};

// Between fork and exec in a program with threads: nothing but system calls.
[[noreturn]] void become(const Plan& plan) {
  const auto fail_at = [&](int step) {
    const Word word{0, step, errno};
    (void)!::write(plan.pipe, &word, sizeof word);
    ::_exit(127);
  };
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::setns(plan.netns, CLONE_NEWNET) != 0 || ::unshare(CLONE_NEWNS) != 0) fail_at(1);
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) fail_at(2);
  for (const auto& [from, to] : plan.binds) {
    if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) fail_at(3);
  }
  ::dup2(plan.output, STDOUT_FILENO);
  ::dup2(plan.output, STDERR_FILENO);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const Word word{now.tv_sec * 1'000'000'000LL + now.tv_nsec, 0, 0};
  (void)!::write(plan.pipe, &word, sizeof word);
  ::execv(plan.argv[0], plan.argv.data());
  fail_at(4);
  ::_exit(127);
}

// A pair for each: the namespace then has an Ethernet device of that name.
Status add_ethernets(const os::NetNs& netns, const std::vector<std::string>& names) {
  SLUICE_TRY(auto rtnl, netlink::Rtnl::open_in(netns));
  for (std::size_t i = 0; i < names.size(); ++i) {
    netlink::VethEnd end, other;
    end.name = names[i];
    other.name = "other" + std::to_string(i);
    end.up = other.up = true;
    SLUICE_CHECK_OK(rtnl.add_veth(end, other));
  }
  return {};
}

}  // namespace

Result<Room> Room::make(std::string directory, std::string tree,
                        const std::vector<std::string>& ethernets) {
  if (std::filesystem::canonical("/var/run") != "/run") {
    return fail(Code::kUnavailable, "/var/run must be a link to /run");
  }
  // Programs want it, and the made /dev hasn't got it.
  SLUICE_CHECK_OK(os::write_file_atomic(tree + "/dev/null", ""));
  SLUICE_TRY(auto netns, os::NetNs::create_anonymous());
  SLUICE_CHECK_OK(add_ethernets(netns, ethernets));
  Room room(std::move(directory), std::move(tree), std::move(netns));
  SLUICE_CHECK_OK(room.clear());
  return room;
}

Room::Room(Room&& other) noexcept
    : directory_(std::move(other.directory_)),
      tree_(std::move(other.tree_)),
      netns_(std::move(other.netns_)),
      pid_(std::exchange(other.pid_, -1)),
      exit_(other.exit_) {
  other.directory_.clear();
}

Room::~Room() {
  kill();
  if (!directory_.empty()) (void)os::remove_tree(directory_);
}

Status Room::clear(bool plugins_registry) {
  kill();
  SLUICE_CHECK_OK(os::remove_tree(directory_));
  SLUICE_CHECK_OK(os::make_directories(kubelet_dir() + "/device-plugins"));
  SLUICE_CHECK_OK(os::make_directories(kubelet_dir() + "/pod-resources"));
  if (plugins_registry) {
    SLUICE_CHECK_OK(os::make_directories(kubelet_dir() + "/plugins_registry"));
  }
  return os::make_directories(run_dir());
}

Result<std::string> Room::put(const std::string& name, const std::string& text) {
  const auto path = directory_ + "/" + name;
  SLUICE_CHECK_OK(os::write_file_atomic(path, text));
  return path;
}

Result<TimePoint> Room::start(const std::vector<std::string>& argv) {
  if (running()) return fail(Code::kInternal, "a program is running in this room");
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  const os::UniqueFd reader(ends[0]);
  os::UniqueFd writer(ends[1]);
  const os::UniqueFd output(::open((directory_ + "/output").c_str(),
                                   O_CREAT | O_TRUNC | O_APPEND | O_WRONLY | O_CLOEXEC, 0600));
  if (!output) return fail_errno(errno, "output file");
  Plan plan{netns_.fd(), writer.get(), output.get(), {}, {}};
  plan.binds = {{{"/dev/null", tree_ + "/dev/null"},
                 {tree_ + "/dev", "/dev"},
                 {tree_ + "/sys", "/sys"},
                 {run_dir(), "/run"},
                 {directory_ + "/lib", "/var/lib"}}};
  for (const auto& word : argv) plan.argv.push_back(const_cast<char*>(word.c_str()));
  plan.argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) return fail_errno(errno, "fork");
  if (pid_ == 0) become(plan);
  exit_ = -1;
  writer.reset();
  Word started, failed;
  if (::read(reader.get(), &started, sizeof started) != sizeof started) {
    kill();
    return fail(Code::kInternal, argv[0] + " could not be started");
  }
  if (started.step == 0 && ::read(reader.get(), &failed, sizeof failed) == sizeof failed) {
    started = failed;
  }
  if (started.step != 0) {
    kill();
    return fail(Code::kUnavailable, argv[0] + ": " +
                                        kSteps.at(static_cast<std::size_t>(started.step)) + ": " +
                                        std::strerror(started.error));
  }
  return TimePoint(std::chrono::nanoseconds(started.nanoseconds));
}

void Room::reap(int options) {
  int status = 0;
  if (pid_ < 0 || ::waitpid(pid_, &status, options) != pid_) return;
  pid_ = -1;
  exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Room::running() {
  reap(WNOHANG);
  return pid_ >= 0;
}

Result<Duration> Room::stop(Duration limit) {
  if (!running()) {
    return fail(Code::kUnavailable, "it had ended by itself, status " + std::to_string(exit_));
  }
  const os::UniqueFd end(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!end) return fail_errno(errno, "pidfd_open");
  const auto before = std::chrono::steady_clock::now();
  ::kill(pid_, SIGTERM);
  pollfd waiting{end.get(), POLLIN, 0};
  const auto limit_ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  const bool ended = ::poll(&waiting, 1, static_cast<int>(limit_ms)) == 1;
  const auto took = std::chrono::steady_clock::now() - before;
  kill();
  if (!ended) return fail(Code::kTimeout, "it didn't end on SIGTERM");
  return Duration(took);
}

void Room::kill() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  reap(0);
}

std::string Room::output() const {
  const auto text = os::read_file(directory_ + "/output", 256U << 20U);
  if (!text) return text.error().to_string();
  return text->size() <= kOutputBytes ? *text : text->substr(text->size() - kOutputBytes);
}

Result<Duration> Room::cpu_time() const {
  clockid_t clock{};
  timespec used{};
  if (pid_ < 0 || ::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &used) != 0) {
    return fail(Code::kUnavailable, "it doesn't run");
  }
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

Result<double> Room::memory_kb(const std::string& what) const {
  SLUICE_TRY(const auto text, os::read_file("/proc/" + std::to_string(pid_) + "/status"));
  const auto at = text.find("\n" + what + ":");
  if (at == std::string::npos) return fail(Code::kNotFound, "no " + what + " of the process");
  return std::strtod(text.c_str() + at + what.size() + 2, nullptr);
}

std::string tail_of(const std::string& output) {
  return output.size() <= kTailBytes ? output : output.substr(output.size() - kTailBytes);
}

}  // namespace sluice::bench
