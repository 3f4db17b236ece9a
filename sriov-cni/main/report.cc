// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/main/report.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/callstats/call_stats.h"
#include "sriov-cni/config/cni_error.h"

namespace sluice::cni {
namespace {

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

// A refused configuration that names no file: the usual one, if this is a node that has such.
std::string stats_file_of(const NetConfig& config) {
  if (!config.stats_file.empty()) return config.stats_file;
  const auto usual = NetConfig{}.stats_file;
  const auto folder = usual.substr(0, usual.rfind('/'));
  return ::access(folder.c_str(), F_OK) == 0 ? usual : "";
}

void count(const Context& context, Verb verb, int code) {
  const auto counted = counted_as(verb);
  const auto file = stats_file_of(context.config);
  if (!counted || file.empty()) return;
  auto stats = callstats::CallStats::open(file);
  if (!stats) return;
  for (std::size_t i = 0; i < callstats::kSteps; ++i) {
    const auto step = static_cast<callstats::Step>(i);
    const auto spent =
        step == callstats::Step::kTotal ? context.times.total() : context.times.of(step);
    if (spent > Duration::zero()) stats->add(*counted, step, spent);
  }
  stats->ended(*counted, code);
  if (context.reclaimed > 0) stats->repaired(context.reclaimed);
}

// The trace id of a W3C traceparent, "00-<trace id>-<parent>-<flags>".
std::string trace_id(const std::string& parent) {
  return parent.empty() ? "" : parent.substr(3, 32);
}

void say(const Context& context, std::optional<Verb> verb, int code, const std::string& error) {
  const auto& call = context.call;
  const auto& subject = context.subject;
  const auto& reference = subject.network_reference.empty() ? context.config.network_reference
                                                            : subject.network_reference;
  const auto us =
      std::chrono::duration_cast<std::chrono::microseconds>(context.times.total()).count();
  const Logger::Fields fields = {{"verb", verb ? to_string(*verb) : ""},
                                 {"network", context.config.name},
                                 {"reference", reference},
                                 {"id", call.container_id.empty() ? "" : call.id()},
                                 {"pod", call.pod},
                                 {"us", us},
                                 {"device", subject.devices},
                                 {"ip", subject.ip},
                                 {"trace", trace_id(call.trace_parent)},
                                 {"code", code},
                                 {"error", error}};
  code == 0 ? context.log.info("call done", fields) : context.log.error("call failed", fields);
}

}  // namespace

CallLog::CallLog(const NetConfig& config) {
  if (!config.log_file.empty()) {
    file_ = os::UniqueFd(
        ::open(config.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  }
  logger_ = Logger(make_fd_sink(file_ ? file_.get() : STDERR_FILENO, config.log_level, false),
                   "sluice-cni");
}

void report(const Context& context, std::optional<Verb> verb, const Status& outcome) {
  const int code = outcome ? 0 : cni_code(outcome.error());
  say(context, verb, code, outcome ? "" : outcome.error().to_string());
  if (verb) count(context, *verb, code);
}

}  // namespace sluice::cni
