// SPDX-License-Identifier: Apache-2.0
// sluice-cni: one CNI call, or a repair. stdout has the result or the error object and nothing
// else; stderr one line about the call.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/callstats/call_stats.h"
#include "sriov-cni/attach/attacher.h"
#include "sriov-cni/attach/checker.h"
#include "sriov-cni/attach/collector.h"
#include "sriov-cni/attach/repair.h"
#include "sriov-cni/attach/status.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/environment.h"
#include "sriov-cni/config/net_config.h"

namespace sluice::cni {
namespace {

constexpr const char* kProgram = "sluice-cni";

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

Result<std::string> read_stdin() {
  std::string out;
  char chunk[16384];
  while (true) {
    const auto got = ::read(STDIN_FILENO, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read the configuration from stdin");
    if (got == 0) return out;
    out.append(chunk, static_cast<std::size_t>(got));
    if (out.size() > kMaxConfigBytes) return out;  // parse_config() refuses it by name
  }
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;  // the runtime has gone; its DEL will come
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

void print(const std::string& text) { write_all(STDOUT_FILENO, text + "\n"); }

std::string version_json() {
  std::string list;
  for (const auto version : supported_versions()) {
    list += (list.empty() ? "\"" : ",\"") + std::string(version) + "\"";
  }
  return "{\"cniVersion\":\"" + std::string(supported_versions().back()) +
         "\",\"supportedVersions\":[" + list + "]}";
}

// What a call came to: what to print, and what to say about it.
struct Outcome {
  std::string out;
  std::string ip, device;
};

Result<Outcome> run_add(Context& context) {
  SLUICE_TRY(const auto result, add(context));
  Outcome out;
  for (const auto& interface : result.interfaces) {
    if (interface.sandbox.empty()) continue;  // a veth's host side
    out.device +=
        (out.device.empty() ? "" : ",") + (interface.pci.empty() ? "veth" : interface.pci);
  }
  if (!result.addresses.empty()) out.ip = result.addresses.front().address.address.to_string();
  SLUICE_TRY(out.out, print_result(context.config.cni_version, result));
  return out;
}

Result<Outcome> dispatch(Context& context) {
  Status done;
  switch (context.call.verb) {
    case Verb::kAdd:
      return run_add(context);
    case Verb::kDel:
      done = del(context);
      break;
    case Verb::kCheck:
      done = check(context);
      break;
    case Verb::kGc:
      done = collect(context);
      break;
    case Verb::kStatus:
      done = status(context);
      break;
    case Verb::kVersion:
      break;
  }
  if (!done) return fail(std::move(done).error());
  return Outcome{};
}

std::optional<callstats::Verb> counted_as(Verb verb) {
  switch (verb) {
    case Verb::kAdd:
      return callstats::Verb::kAdd;
    case Verb::kDel:
      return callstats::Verb::kDel;
    case Verb::kCheck:
      return callstats::Verb::kCheck;
    case Verb::kGc:
      return callstats::Verb::kGc;
    case Verb::kStatus:
      return callstats::Verb::kStatus;
    case Verb::kVersion:
      break;
  }
  return std::nullopt;
}

void count(const Context& context, int code) {
  const auto verb = counted_as(context.call.verb);
  auto stats = callstats::CallStats::open(context.config.stats_file);
  if (!verb || !stats) return;  // failing to count fails nothing
  for (std::size_t i = 0; i < callstats::kSteps; ++i) {
    const auto step = static_cast<callstats::Step>(i);
    const auto spent =
        step == callstats::Step::kTotal ? context.times.total() : context.times.of(step);
    if (spent > Duration::zero()) stats->add(*verb, step, spent);
  }
  stats->ended(*verb, code);
  if (context.reclaimed > 0) stats->repaired(context.reclaimed);
}

// The trace id of a W3C traceparent, "00-<trace id>-<parent>-<flags>".
std::string trace_id(const std::string& parent) {
  return parent.empty() ? "" : parent.substr(3, 32);
}

void say(const Context& context, const Result<Outcome>& outcome) {
  const auto& call = context.call;
  const auto us =
      std::chrono::duration_cast<std::chrono::microseconds>(context.times.total()).count();
  const Outcome none;
  const auto& done = outcome ? *outcome : none;
  const auto line = [&](int code, const std::string& error) {
    const Logger::Fields fields = {{"verb", to_string(call.verb)},
                                   {"network", context.config.name},
                                   {"id", call.container_id.empty() ? "" : call.id()},
                                   {"pod", call.pod},
                                   {"us", us},
                                   {"device", done.device},
                                   {"ip", done.ip},
                                   {"trace", trace_id(call.trace_parent)},
                                   {"code", code},
                                   {"error", error}};
    outcome ? context.log.info("call done", fields) : context.log.error("call failed", fields);
  };
  outcome ? line(0, "") : line(cni_code(outcome.error()), outcome.error().to_string());
}

// Prints the error object and returns the exit status.
int refuse(std::string_view input, const Error& error) {
  print(error_json(version_for_errors(input), error));
  return 1;
}

// Where log lines go: the configuration's file, or stderr where there is none or it can't be had.
class Log {
 public:
  explicit Log(const NetConfig& config) {
    if (!config.log_file.empty()) {
      file_ = os::UniqueFd(
          ::open(config.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    }
    logger_ = Logger(make_fd_sink(file_ ? file_.get() : STDERR_FILENO,
                                  config.log_debug ? Level::kDebug : Level::kInfo, false),
                     kProgram);
  }
  const Logger& logger() const { return logger_; }

 private:
  os::UniqueFd file_;
  Logger logger_;
};

int run_call() {
  const SteadyClock clock;
  const StepTimes times(clock);
  const auto verb = read_verb(variable);
  if (verb && *verb == Verb::kVersion) {  // needs no stdin
    print(version_json());
    return 0;
  }
  const auto input = read_stdin();
  if (!input) return refuse("", input.error());
  if (!verb) return refuse(*input, verb.error());
  const auto call = read_invocation(*verb, variable);
  if (!call) return refuse(*input, call.error());
  auto config = parse_config(*input, *call);
  if (!config) {
    Context context{NetConfig{}, *call, Log(NetConfig{}).logger(), times};
    say(context, fail(config.error()));
    return refuse(*input, config.error());
  }
  const Log log(*config);
  Context context{std::move(*config), *call, log.logger(), times};
  const auto outcome = dispatch(context);
  say(context, outcome);
  count(context, outcome ? 0 : cni_code(outcome.error()));
  if (!outcome) return refuse(*input, outcome.error());
  if (!outcome->out.empty()) print(outcome->out);
  return 0;
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
  return run_call();
}

}  // namespace
}  // namespace sluice::cni

int main(int argc, char** argv) {
  try {
    return sluice::cni::run(argc, argv);
  } catch (const std::exception& error) {  // out of memory, mostly
    sluice::cni::print(sluice::cni::error_json("1.1.0", sluice::Error{sluice::Code::kInternal,
                                                                      sluice::Domain::kNone,
                                                                      0,
                                                                      error.what(),
                                                                      {},
                                                                      sluice::Retry::kNever}));
    return 1;
  }
}
