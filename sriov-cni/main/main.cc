// SPDX-License-Identifier: Apache-2.0
// sluice-cni: one CNI call. stdout has the result or the error object and nothing else; stderr one
// line about the call.
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "sriov-cni/attach/attacher.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/environment.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/config/result.h"

namespace sluice::cni {
namespace {

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

void print(std::string text) {
  text += '\n';
  for (std::size_t at = 0; at < text.size();) {
    const auto put = ::write(STDOUT_FILENO, text.data() + at, text.size() - at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;  // the runtime has gone; its DEL will come
    at += static_cast<std::size_t>(put);
  }
}

// What a call came to: what to print, and what to say about it.
struct Outcome {
  std::string out;
  std::string ip, device;
};

Result<Outcome> add(const Invocation& call, NetConfig config, const Logger& log) {
  const auto version = config.cni_version;
  Attacher attacher(std::move(config), log);
  SLUICE_TRY(const auto result, attacher.add(call));
  std::string devices;
  for (const auto& interface : result.interfaces) {
    if (interface.sandbox.empty()) continue;  // a veth's host side
    devices += (devices.empty() ? "" : ",") + (interface.pci.empty() ? "veth" : interface.pci);
  }
  return Outcome{result_json(version, result), result.address.to_string(), devices};
}

Result<Outcome> dispatch(const Invocation& call, std::string_view input, const Logger& log) {
  SLUICE_TRY(auto config, parse_config(input, call.verb));
  if (call.verb == Verb::kAdd) return add(call, std::move(config), log);
  Attacher attacher(std::move(config), log);
  SLUICE_CHECK_OK(attacher.del(call));
  return Outcome{};
}

// Prints the error object and returns the exit status.
int refuse(std::string_view input, const Error& error) {
  print(error_json(version_for_errors(input), error));
  return 1;
}

int run() {
  ::signal(SIGPIPE, SIG_IGN);
  const SteadyClock clock;
  const auto begin = clock.now();
  const Logger log(make_fd_sink(STDERR_FILENO, Level::kInfo, false), "sluice-cni");
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
  const auto outcome = dispatch(*call, *input, log);
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock.now() - begin).count();
  if (!outcome) {
    log.error("call failed", {{"verb", to_string(*verb)},
                              {"id", call->id()},
                              {"pod", call->pod},
                              {"ms", ms},
                              {"code", cni_code(outcome.error())},
                              {"error", outcome.error()}});
    return refuse(*input, outcome.error());
  }
  log.info("call done", {{"verb", to_string(*verb)},
                         {"id", call->id()},
                         {"pod", call->pod},
                         {"ms", ms},
                         {"device", outcome->device},
                         {"ip", outcome->ip}});
  if (!outcome->out.empty()) print(outcome->out);
  return 0;
}

}  // namespace
}  // namespace sluice::cni

int main() {
  try {
    return sluice::cni::run();
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
