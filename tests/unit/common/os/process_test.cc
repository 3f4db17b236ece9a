// SPDX-License-Identifier: Apache-2.0
#include "common/os/process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "common/os/unique_fd.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::os;

namespace {

Result<Exit> shell(const std::string& script, std::string_view input = {},
                   Duration deadline = std::chrono::seconds(30)) {
  return run_program({"sh", "-c", script}, input, deadline);
}

}  // namespace

TEST_CASE("Output, errors and status come back") {
  const auto exit = shell("echo out; echo err >&2; exit 3");
  REQUIRE(exit);
  CHECK(exit->out == "out\n");
  CHECK(exit->err == "err\n");
  CHECK(exit->status == 3);
  CHECK(shell("kill -TERM $$")->status == 128 + SIGTERM);
}

TEST_CASE("Input reaches the program, also by /dev/stdin, and needs not be read") {
  CHECK(run_program({"cat"}, "some input")->out == "some input");
  CHECK(run_program({"cat", "/dev/stdin"}, "by name")->out == "by name");
  CHECK(run_program({"cat"}, "")->out.empty());
  const std::string large(std::size_t{4} << 20U, 'x');
  CHECK(run_program({"true"}, large)->status == 0);
  CHECK(run_program({"wc", "-c"}, large)->out == "4194304\n");
}

TEST_CASE("Output is bounded, and the program is not blocked by that") {
  const auto exit = shell("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 5");
  REQUIRE(exit);
  CHECK(exit->out.size() == std::size_t{1} << 20U);
  CHECK(exit->err.size() == std::size_t{1} << 20U);
  CHECK(exit->status == 5);
}

TEST_CASE("At the deadline the program and its children are killed") {
  const test::TempDir dir;
  const std::string fifo = dir / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const UniqueFd reader(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const auto exit =
      shell("sleep 1000 > " + fifo + " & sleep 1000", {}, std::chrono::milliseconds(500));
  REQUIRE_FALSE(exit);
  CHECK(exit.error().code == Code::kTimeout);
  CHECK(exit.error().message.find("sh did not end within 500 ms") != std::string::npos);
  // The end of the stream comes when nobody has it open for writing: the child is gone.
  char byte = 0;
  while (::read(reader.get(), &byte, 1) != 0) {
    pollfd entry{reader.get(), POLLIN, 0};
    REQUIRE(::poll(&entry, 1, 30000) == 1);
  }
}

TEST_CASE("A daemon that keeps the output open does not keep us") {
  const test::TempDir dir;
  const auto exit = shell("sleep 1000 & echo $!");
  REQUIRE(exit);
  CHECK(exit->status == 0);
  const int child = std::stoi(exit->out);
  REQUIRE(child > 1);
  ::kill(child, SIGKILL);
}

TEST_CASE("A program that isn't there is an error that names it") {
  const auto exit = run_program({"/nonexistent/program"}, "");
  REQUIRE_FALSE(exit);
  CHECK(exit.error().code == Code::kNotFound);
  CHECK(exit.error().message.find("/nonexistent/program") != std::string::npos);
  CHECK(run_program({}, "").error().code == Code::kInvalid);
}

TEST_CASE("A program gets the environment that was given, and nothing else") {
  const auto exit = run_program({"/usr/bin/env"}, "", std::chrono::seconds(30),
                                {"FIRST=1", "SECOND=a b=c", "EMPTY="});
  REQUIRE(exit);
  CHECK(exit->out == "FIRST=1\nSECOND=a b=c\nEMPTY=\n");
  CHECK(run_program({"/usr/bin/env"}, "", std::chrono::seconds(30), {})->out.empty());
  // Without one it is ours.
  CHECK(run_program({"/usr/bin/env"}, "")->out.find("PATH=") != std::string::npos);
}

TEST_CASE("A program gets none of our descriptors and no blocked signals") {
  // Without O_CLOEXEC, on purpose.
  const int leaked = ::open("/dev/null", O_RDONLY);
  REQUIRE(leaked > 2);
  std::string listed, blocked;
  std::thread([&] {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    listed = shell("test -e /proc/self/fd/" + std::to_string(leaked) + " && echo leaked")->out;
    blocked = run_program({"grep", "SigBlk", "/proc/self/status"}, "")->out;
  }).join();
  ::close(leaked);
  CHECK(listed.empty());
  CHECK(blocked == "SigBlk:\t0000000000000000\n");
}

TEST_CASE("run_checked turns a status into an error with the program's own words") {
  CHECK(run_checked({"true"}));
  const auto failed = run_checked({"sh", "-c", "echo no such table >&2; exit 2"});
  REQUIRE_FALSE(failed);
  CHECK(failed.error().domain == Domain::kTool);
  CHECK(failed.error().native == 2);
  CHECK(failed.error().message == "sh: no such table");
  CHECK(run_checked({"false"}).error().message == "false: exit status 1");
}
