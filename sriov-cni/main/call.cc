// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/main/call.h"

#include <unistd.h>

#include "sriov-cni/attach/attacher.h"
#include "sriov-cni/attach/checker.h"
#include "sriov-cni/attach/collector.h"
#include "sriov-cni/attach/status.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/main/report.h"
#include "sriov-cni/main/std_streams.h"

namespace sluice::cni {
namespace {

// VERSION answers in the version that it is asked in, but it must not depend on being asked in any:
// some callers leave stdin open.
constexpr Duration kVersionPatience = std::chrono::milliseconds(500);

void print(const std::string& text) { write_all(STDOUT_FILENO, text + "\n"); }

int answer_version() {
  const auto input = read_stdin(kVersionPatience);
  print(print_versions(version_for_errors(input ? *input : "")));
  return 0;
}

// What to print.
Result<std::string> dispatch(Context& context) {
  Status done;
  switch (context.call.verb) {
    case Verb::kAdd: {
      SLUICE_TRY(const auto result, add(context));
      return print_result(context.config.cni_version, result);
    }
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
  return std::string();
}

// The way out of every call: reported, then answered.
int end(const Context& context, std::optional<Verb> verb, std::string_view input,
        const Result<std::string>& outcome) {
  if (!outcome) {
    report(context, verb, fail(outcome.error()));
    print(error_json(version_for_errors(input), outcome.error()));
    return 1;
  }
  report(context, verb, {});
  if (!outcome->empty()) print(*outcome);
  return 0;
}

// Of a call whose configuration isn't known as a whole.
int refuse(const StepTimes& times, std::optional<Verb> verb, const Invocation& call,
           std::string_view input, const Error& error) {
  auto config = readable_parts(input);
  const CallLog log(config);
  return end({std::move(config), call, log.logger(), times}, verb, input, fail(error));
}

}  // namespace

int run_call(const Variables& variables) {
  const SteadyClock clock;
  const StepTimes times(clock);
  const auto verb = read_verb(variables);
  if (verb && *verb == Verb::kVersion) return answer_version();
  const auto input = read_stdin(std::nullopt);
  if (!verb) return refuse(times, {}, {}, input ? *input : "", verb.error());
  if (!input) return refuse(times, *verb, {}, "", input.error());
  const auto call = read_invocation(*verb, variables);
  if (!call) return refuse(times, *verb, {}, *input, call.error());
  auto config = parse_config(*input, *call);
  if (!config) return refuse(times, *verb, *call, *input, config.error());
  const CallLog log(*config);
  Context context{std::move(*config), *call, log.logger(), times};
  const auto outcome = dispatch(context);
  return end(context, *verb, *input, outcome);
}

}  // namespace sluice::cni
