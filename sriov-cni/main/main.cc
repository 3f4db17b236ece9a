// SPDX-License-Identifier: Apache-2.0
// sluice-cni: one CNI call, or a repair. stdout has the result or the error object and nothing
// else; stderr one line about the call.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>

#include "common/base/log.h"
#include "common/callstats/call_stats.h"
#include "sriov-cni/attach/repair.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/main/call.h"
#include "sriov-cni/main/std_streams.h"

namespace sluice::cni {
namespace {

constexpr const char* kProgram = "sluice-cni";

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

int run_repair(const std::vector<std::string>& arguments) {
  const auto options = parse_repair(arguments);
  if (!options) {
    write_all(STDERR_FILENO, std::string(kProgram) + ": " + options.error().to_string() + "\n");
    return 2;
  }
  if (options->help) {
    write_all(STDOUT_FILENO, repair_help());
    return 0;
  }
  const Logger log(make_fd_sink(STDERR_FILENO, Level::kWarn, false), kProgram);
  const auto findings = repair(*options, log);
  if (!findings) {
    write_all(STDERR_FILENO, std::string(kProgram) + ": " + findings.error().to_string() + "\n");
    return 1;
  }
  write_all(STDOUT_FILENO, print_findings(*options, *findings));
  std::uint64_t failed = 0;
  for (const auto& finding : *findings) failed += finding.error.empty() ? 0 : 1;
  const auto done = options->dry_run ? 0 : findings->size() - failed;
  if (done > 0) {
    if (auto stats = callstats::CallStats::open(options->stats_file)) stats->repaired(done);
  }
  return failed == 0 ? 0 : 1;
}

int run(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (!variable("CNI_COMMAND")) {
    if (!arguments.empty() && arguments.front() == "repair") {
      return run_repair({arguments.begin() + 1, arguments.end()});
    }
    write_all(STDERR_FILENO, about_text());
    return 0;
  }
  return run_call(variable);
}

}  // namespace
}  // namespace sluice::cni

int main(int argc, char** argv) {
  try {
    return sluice::cni::run(argc, argv);
  } catch (const std::exception& error) {  // out of memory, mostly
    const sluice::Error what{sluice::Code::kInternal, sluice::Domain::kNone, 0, error.what(), {},
                             sluice::Retry::kNever};
    sluice::cni::write_all(STDOUT_FILENO, sluice::cni::error_json("1.1.0", what) + "\n");
    return 1;
  }
}
