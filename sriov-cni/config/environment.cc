// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/config/environment.h"

#include <algorithm>
#include <array>
#include <map>

#include "sriov-cni/config/cni_error.h"

namespace sluice::cni {
namespace {

constexpr std::size_t kMaxContainerId = 256;
constexpr std::size_t kMaxInterfaceName = 15;
constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxArgs = 65536;
constexpr std::size_t kMaxUid = 128;

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

Status check_container_id(const std::string& id) {
  const bool good = id.size() <= kMaxContainerId && is_alnum(id.front()) &&
                    std::all_of(id.begin(), id.end(), [](char c) {
                      return is_alnum(c) || c == '_' || c == '.' || c == '-';
                    });
  if (good) return {};
  return cni_fail(kInvalidEnvironment,
                  "CNI_CONTAINERID is '" + id.substr(0, 80) +
                      "'; allowed are up to 256 letters, digits, '_', '.', '-', beginning with a "
                      "letter or digit");
}

Status check_interface(const std::string& name) {
  const bool good = name.size() <= kMaxInterfaceName && name != "." && name != ".." &&
                    std::all_of(name.begin(), name.end(),
                                [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != ':'; });
  if (good && name != "lo") return {};
  return cni_fail(kInvalidEnvironment, "CNI_IFNAME is '" + name.substr(0, 80) +
                                           "'; allowed are up to 15 characters without '/', ':' "
                                           "and spaces, and not 'lo'");
}

// K=V;K=V. Keys that nobody here knows are an error unless IgnoreUnknown says otherwise.
Result<std::map<std::string, std::string>> parse_args(const std::string& text) {
  static constexpr std::array<std::string_view, 5> kKnown = {
      "IgnoreUnknown", "K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_INFRA_CONTAINER_ID",
      "K8S_POD_UID"};
  if (text.size() > kMaxArgs) {
    return cni_fail(kInvalidEnvironment, "CNI_ARGS is longer than 65536 characters");
  }
  std::map<std::string, std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(';', at), text.size());
    const auto pair = text.substr(at, end - at);
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return cni_fail(kInvalidEnvironment, "CNI_ARGS: '" + pair.substr(0, 80) +
                                               "' is no KEY=VALUE; allowed is KEY=VALUE;...");
    }
    out[pair.substr(0, equals)] = pair.substr(equals + 1);
    at = end + 1;
  }
  const auto ignore = out.find("IgnoreUnknown");
  const bool lax = ignore != out.end() && (ignore->second == "1" || ignore->second == "true" ||
                                           ignore->second == "True" || ignore->second == "TRUE");
  for (const auto& [key, value] : out) {
    if (lax || std::find(kKnown.begin(), kKnown.end(), key) != kKnown.end()) continue;
    return cni_fail(kInvalidEnvironment, "CNI_ARGS: key '" + key.substr(0, 80) +
                                             "' is unknown; set IgnoreUnknown=1 to allow it");
  }
  return out;
}

Status read_pod(Invocation& call, const Variables& variables) {
  SLUICE_TRY(const auto args, parse_args(variables("CNI_ARGS").value_or("")));
  const auto space = args.find("K8S_POD_NAMESPACE");
  const auto name = args.find("K8S_POD_NAME");
  if (space == args.end() || name == args.end() || space->second.empty() || name->second.empty()) {
    return {};
  }
  const auto pod = space->second + "/" + name->second;
  const bool good = pod.size() <= 320 && std::count(pod.begin(), pod.end(), '/') == 1 &&
                    std::all_of(pod.begin(), pod.end(), [](char c) {
                      return is_alnum(c) || c == '-' || c == '.' || c == '/';
                    });
  if (!good) {
    return cni_fail(kInvalidEnvironment,
                    "CNI_ARGS: '" + pod.substr(0, 80) + "' is no namespace and name of a pod");
  }
  call.pod = pod;
  call.pod_namespace = space->second;
  call.pod_name = name->second;
  const auto uid = args.find("K8S_POD_UID");
  if (uid == args.end()) return {};
  if (uid->second.size() > kMaxUid ||
      !std::all_of(uid->second.begin(), uid->second.end(),
                   [](char c) { return is_alnum(c) || c == '-'; })) {
    return cni_fail(kInvalidEnvironment, "CNI_ARGS: K8S_POD_UID is '" + uid->second.substr(0, 80) +
                                             "'; allowed are up to 128 letters, digits, '-'");
  }
  call.pod_uid = uid->second;
  return {};
}

}  // namespace

Result<Verb> read_verb(const Variables& variables) {
  const auto command = variables("CNI_COMMAND").value_or("");
  for (const auto verb : {Verb::kAdd, Verb::kDel, Verb::kVersion}) {
    if (command == to_string(verb)) return verb;
  }
  if (command.empty()) {
    return cni_fail(kInvalidEnvironment, "CNI_COMMAND is missing; allowed are ADD, DEL, VERSION");
  }
  return cni_fail(kInvalidEnvironment, "CNI_COMMAND '" + command.substr(0, 80) +
                                           "' is unsupported; allowed are ADD, DEL, VERSION");
}

Result<Invocation> read_invocation(Verb verb, const Variables& variables) {
  Invocation out;
  out.verb = verb;
  if (verb == Verb::kVersion) return out;
  out.container_id = variables("CNI_CONTAINERID").value_or("");
  out.interface = variables("CNI_IFNAME").value_or("");
  out.netns = variables("CNI_NETNS").value_or("");
  std::string missing;
  const auto need = [&](const std::string& value, const char* name) {
    if (value.empty()) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  need(out.container_id, "CNI_CONTAINERID");
  need(out.interface, "CNI_IFNAME");
  if (verb == Verb::kAdd) need(out.netns, "CNI_NETNS");
  if (!missing.empty()) {
    return cni_fail(kInvalidEnvironment, "required variables are missing: " + missing);
  }
  SLUICE_CHECK_OK(check_container_id(out.container_id));
  SLUICE_CHECK_OK(check_interface(out.interface));
  if (out.netns.size() > kMaxPath) {
    return cni_fail(kInvalidEnvironment, "CNI_NETNS is longer than 4096 characters");
  }
  out.pod = "-/" + out.container_id;
  if (verb == Verb::kAdd) SLUICE_CHECK_OK(read_pod(out, variables));
  return out;
}

std::string_view to_string(Verb verb) {
  switch (verb) {
    case Verb::kAdd:
      return "ADD";
    case Verb::kDel:
      return "DEL";
    case Verb::kVersion:
      return "VERSION";
  }
  return "VERSION";
}

}  // namespace sluice::cni
