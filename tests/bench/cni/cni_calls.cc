// SPDX-License-Identifier: Apache-2.0
// cni-calls FOLDER... [-- FOLDER...]...: makes the CNI calls that the folders describe, group by
// group; those of a group are all started at the same moment. Prints for each how long it took from
// its start to its end. Ends after the first group in which a call failed.
//
// A folder has `program` (a path), `environment` (NAME=VALUE lines; nothing else is given) and
// `input`. It gets `output` and `errors`. One line a call: "<folder> <exit status>
// <microseconds>". Static, without a run-time of its own and made once for many groups, so that in
// a slow guest the time is the plugin's.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Before each group: what the one before has left to the kernel (a namespace's end, say) is no
// longer in the way.
constexpr std::chrono::milliseconds kRest{50};

struct Call {
  std::string folder, program;
  std::vector<std::string> environment;
  pid_t process = -1;
  Clock::time_point begun, ended;
  int status = 0;
};

Call read_call(const std::string& folder) {
  Call call;
  call.folder = folder;
  std::ifstream program(folder + "/program");
  std::getline(program, call.program);
  std::ifstream environment(folder + "/environment");
  for (std::string line; std::getline(environment, line);) call.environment.push_back(line);
  return call;
}

bool start(Call& call) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
  const auto input = call.folder + "/input", output = call.folder + "/output",
             errors = call.folder + "/errors";
  posix_spawn_file_actions_addopen(&files, 0, input.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, output.c_str(), kWrite, 0644);
  posix_spawn_file_actions_addopen(&files, 2, errors.c_str(), kWrite, 0644);
  std::vector<char*> environment;
  for (auto& line : call.environment) environment.push_back(line.data());
  environment.push_back(nullptr);
  char* arguments[] = {call.program.data(), nullptr};
  call.begun = Clock::now();
  const auto failed = ::posix_spawn(&call.process, call.program.c_str(), &files, nullptr, arguments,
                                    environment.data());
  posix_spawn_file_actions_destroy(&files);
  if (failed != 0) std::fprintf(stderr, "cni-calls: can't start '%s'\n", call.program.c_str());
  return failed == 0;
}

// Until all have ended, in the order in which they do.
void wait_for_all(std::vector<Call>& calls) {
  for (std::size_t left = calls.size(); left > 0;) {
    int status = 0;
    const auto process = ::waitpid(-1, &status, 0);
    if (process < 0) return;
    for (auto& call : calls) {
      if (call.process != process) continue;
      call.ended = Clock::now();
      call.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      --left;
    }
  }
}

void print(const Call& call) {
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(call.ended - call.begun);
  std::printf("%s %d %lld\n", call.folder.c_str(), call.status,
              static_cast<long long>(took.count()));
}

// False when one failed.
bool make(std::vector<Call>& group) {
  std::this_thread::sleep_for(kRest);
  for (auto& call : group) {
    if (!start(call)) return false;
  }
  wait_for_all(group);
  bool good = true;
  for (const auto& call : group) {
    print(call);
    good = good && call.status == 0;
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::vector<Call>> groups(1);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--") {
      groups.emplace_back();
    } else {
      groups.back().push_back(read_call(argv[i]));
    }
  }
  if (argc < 2) {
    std::fprintf(stderr, "usage: cni-calls FOLDER... [-- FOLDER...]...\n");
    return 2;
  }
  for (auto& group : groups) {
    if (!make(group)) return 1;
  }
  return 0;
}
