// SPDX-License-Identifier: Apache-2.0
// The guest's end of the agent's port: runs shell commands for the other end and tells what they
// write and how they end. Many at a time.
//
// A frame is a type (1 byte), an id (4 bytes), a length (4 bytes) and so many bytes; little-endian.
//   to the guest:  'R' id is a nonce: forget every job of an earlier client, answer 'R'
//                  'C' start job id: the length of the command (4 bytes), the command, its stdin
//                  'K' signal (1 byte) to all processes of job id's session leader's group
//   to the host:   'R' the nonce;  'O', 'E' what job id wrote;  'X' its exit status (4 bytes)
// A job ends with its shell: what that left running in the background goes on, unheard.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr std::uint32_t kLongestFrame = 16U << 20U;
constexpr std::size_t kHeader = 9;
constexpr int kLostHostMs = 50;  // how often to look whether somebody has connected again
constexpr int kPatientLooks = 40;

struct Job {
  std::uint32_t id;
  pid_t pid;
  int out[2];  // stdout and stderr, -1 when at their end
};

std::uint32_t number_at(const char* bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

class Agent {
 public:
  Agent(int port, int children) : port_(port), children_(children) {}

  [[noreturn]] void serve() {
    for (;;) {
      std::vector<pollfd> polled{{port_, POLLIN, 0}, {children_, POLLIN, 0}};
      for (const Job& job : jobs_) {
        for (int fd : job.out) polled.push_back({fd, POLLIN, 0});  // a negative one is skipped
      }
      ::poll(polled.data(), polled.size(), -1);
      // Output first: jobs may go when the other two are looked at.
      for (std::size_t i = 0; i < jobs_.size(); ++i) {
        for (std::size_t stream = 0; stream < 2; ++stream) {
          if (polled[2 + 2 * i + stream].revents != 0) forward(jobs_[i], stream);
        }
      }
      if (polled[1].revents != 0) reap();
      if ((polled[0].revents & POLLIN) != 0 && receive()) continue;
      // While nobody is connected poll() doesn't wait, and there is nothing to read.
      if ((polled[0].revents & POLLHUP) != 0) ::poll(nullptr, 0, kLostHostMs);
    }
  }

 private:
  // False when nothing came.
  bool receive() {
    char buffer[65536];
    const ssize_t count = ::read(port_, buffer, sizeof(buffer));
    if (count <= 0) return false;
    input_.append(buffer, static_cast<std::size_t>(count));
    while (input_.size() >= kHeader) {
      const char type = input_[0];
      const std::uint32_t id = number_at(&input_[1]);
      const std::uint32_t length = number_at(&input_[5]);
      if (length > kLongestFrame) {  // out of step: only a reset is understood after this
        input_.clear();
        return true;
      }
      if (input_.size() < kHeader + length) return true;
      handle(type, id, input_.substr(kHeader, length));
      input_.erase(0, kHeader + length);
    }
    return true;
  }

  void handle(char type, std::uint32_t id, const std::string& payload) {
    if (type == 'R') {
      for (const Job& job : jobs_) {
        ::kill(-job.pid, SIGKILL);
        for (int fd : job.out) {
          if (fd >= 0) ::close(fd);
        }
      }
      jobs_.clear();
      send('R', id, nullptr, 0);
    } else if (type == 'C' && payload.size() >= 4 && number_at(&payload[0]) <= payload.size() - 4) {
      const std::uint32_t length = number_at(&payload[0]);
      start(id, payload.substr(4, length), payload.substr(4 + length));
    } else if (type == 'K' && payload.size() == 1) {
      for (const Job& job : jobs_) {
        if (job.id == id) ::kill(-job.pid, payload[0]);
      }
    }
  }

  void start(std::uint32_t id, const std::string& command, const std::string& input) {
    int out[2] = {-1, -1};
    int err[2] = {-1, -1};
    const int in = ::memfd_create("stdin", MFD_CLOEXEC);
    if (in < 0 || ::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) {
      std::perror("agent");
      ::_exit(1);
    }
    std::size_t written = 0;
    while (written < input.size()) {
      const ssize_t count = ::write(in, input.data() + written, input.size() - written);
      if (count <= 0) break;
      written += static_cast<std::size_t>(count);
    }
    ::lseek(in, 0, SEEK_SET);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setsid();
      sigset_t none;
      ::sigemptyset(&none);
      ::sigprocmask(SIG_SETMASK, &none, nullptr);
      ::signal(SIGPIPE, SIG_DFL);
      ::dup2(in, 0);
      ::dup2(out[1], 1);
      ::dup2(err[1], 2);
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in);
    ::close(out[1]);
    ::close(err[1]);
    ::fcntl(out[0], F_SETFL, O_NONBLOCK);
    ::fcntl(err[0], F_SETFL, O_NONBLOCK);
    jobs_.push_back({id, pid, {out[0], err[0]}});
  }

  // What there is; false when there may be more.
  bool forward(Job& job, std::size_t stream) {
    if (job.out[stream] < 0) return true;
    char buffer[65536];
    const ssize_t count = ::read(job.out[stream], buffer, sizeof(buffer));
    if (count > 0) {
      send(stream == 0 ? 'O' : 'E', job.id, buffer, static_cast<std::uint32_t>(count));
      return false;
    }
    if (count == 0) {
      ::close(job.out[stream]);
      job.out[stream] = -1;
    }
    return true;
  }

  void reap() {
    signalfd_siginfo ignored{};
    while (::read(children_, &ignored, sizeof(ignored)) > 0) {
    }
    int status = 0;
    for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0;
         pid = ::waitpid(-1, &status, WNOHANG)) {
      for (std::size_t i = 0; i < jobs_.size(); ++i) {
        if (jobs_[i].pid != pid) continue;
        finish(jobs_[i], status);
        jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      }
    }
  }

  void finish(Job& job, int status) {
    for (std::size_t stream = 0; stream < 2; ++stream) {
      while (!forward(job, stream)) {
      }
      if (job.out[stream] >= 0) ::close(job.out[stream]);
    }
    const std::uint32_t code = static_cast<std::uint32_t>(
        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    send('X', job.id, reinterpret_cast<const char*>(&code), sizeof(code));
  }

  void send(char type, std::uint32_t id, const char* bytes, std::uint32_t length) {
    std::string frame(kHeader, type);
    std::memcpy(&frame[1], &id, sizeof(id));
    std::memcpy(&frame[5], &length, sizeof(length));
    if (length > 0) frame.append(bytes, length);
    std::size_t written = 0;
    // What a new client writes may be here before the news that there is one, hence the patience.
    int looks = kPatientLooks;
    while (written < frame.size() && looks > 0) {
      const ssize_t count = ::write(port_, frame.data() + written, frame.size() - written);
      if (count > 0) {
        written += static_cast<std::size_t>(count);
        continue;
      }
      if (count < 0 && errno != EAGAIN && errno != EINTR) return;
      pollfd room{port_, POLLOUT, 0};
      ::poll(&room, 1, kLostHostMs);
      if ((room.revents & POLLHUP) != 0) {
        ::poll(nullptr, 0, kLostHostMs);
        --looks;
      }
    }
  }

  int port_;
  int children_;
  std::string input_;
  std::vector<Job> jobs_;
};

}  // namespace

int main(int argc, char** argv) {
  const int port = ::open(argc > 1 ? argv[1] : "", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (port < 0) {
    std::perror("agent: the port");
    return 1;
  }
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  const int children = ::signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
  if (children < 0) {
    std::perror("agent: signalfd");
    return 1;
  }
  Agent(port, children).serve();
}
