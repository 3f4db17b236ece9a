// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/config/environment.h"

#include <algorithm>
#include <array>
#include <map>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/config/section.h"

namespace sluice::cni {
namespace {

constexpr std::size_t kMaxContainerId = 256;
constexpr std::size_t kMaxInterfaceName = 15;
constexpr std::size_t kMaxPath = 4096;       // one file's
constexpr std::size_t kMaxPathList = 65536;  // CNI_PATH
constexpr std::size_t kMaxArgs = 65536;
constexpr std::size_t kMaxUid = 128;
constexpr std::size_t kMaxPod = 320;

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
                  "CNI_CONTAINERID is " + in_quotes(id) +
                      "; allowed are up to 256 letters, digits, '_', '.', '-', beginning with a "
                      "letter or digit");
}

Status check_interface(const std::string& name) {
  const bool good = name.size() <= kMaxInterfaceName && name != "." && name != ".." &&
                    std::all_of(name.begin(), name.end(),
                                [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != ':'; });
  if (good && name != "lo") return {};
  return cni_fail(kInvalidEnvironment, "CNI_IFNAME is " + in_quotes(name) +
                                           "; allowed are up to 15 characters without '/', ':' "
                                           "and spaces, and not 'lo'");
}

using Args = std::map<std::string, std::string>;

Result<bool> ignores_unknown(const Args& args) {
  const auto found = args.find("IgnoreUnknown");
  if (found == args.end()) return false;
  const auto& word = found->second;
  if (word == "1" || same_letters(word, "true")) return true;
  if (word == "0" || same_letters(word, "false")) return false;
  return cni_fail(kInvalidEnvironment, "CNI_ARGS: IgnoreUnknown is " + in_quotes(word) +
                                           "; allowed are 1, true, 0, false");
}

Result<Args> parse_args(const std::string& text) {
  static constexpr std::array<std::string_view, 7> kKnown = {
      "IgnoreUnknown",     "IP", "K8S_POD_INFRA_CONTAINER_ID", "K8S_POD_NAME", "K8S_POD_UID",
      "K8S_POD_NAMESPACE", "MAC"};
  if (text.size() > kMaxArgs) {
    return cni_fail(kInvalidEnvironment, "CNI_ARGS is longer than 65536 characters");
  }
  Args out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(';', at), text.size());
    const auto pair = text.substr(at, end - at);
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return cni_fail(kInvalidEnvironment, "CNI_ARGS: " + in_quotes(pair) +
                                               " is no KEY=VALUE; allowed is KEY=VALUE;...");
    }
    out[pair.substr(0, equals)] = pair.substr(equals + 1);
    at = end + 1;
  }
  SLUICE_TRY(const bool lax, ignores_unknown(out));
  for (const auto& [key, value] : out) {
    if (lax || std::find(kKnown.begin(), kKnown.end(), key) != kKnown.end()) continue;
    return cni_fail(kInvalidEnvironment, "CNI_ARGS: key " + in_quotes(key) +
                                             " is unknown; set IgnoreUnknown=1 to allow it");
  }
  return out;
}

std::string value_of(const Args& args, const char* key) {
  const auto found = args.find(key);
  return found == args.end() ? "" : found->second;
}

// The pod's name is only for people and for the device plugin: where the runtime says none, or says
// half of it, there is none.
Status read_pod(const Args& args, Invocation& call) {
  const auto space = value_of(args, "K8S_POD_NAMESPACE");
  const auto name = value_of(args, "K8S_POD_NAME");
  if (space.empty() || name.empty()) return {};
  const auto pod = space + "/" + name;
  const bool good = pod.size() <= kMaxPod && std::count(pod.begin(), pod.end(), '/') == 1 &&
                    std::all_of(pod.begin(), pod.end(), [](char c) {
                      return is_alnum(c) || c == '-' || c == '.' || c == '/';
                    });
  if (!good) {
    return cni_fail(kInvalidEnvironment, "CNI_ARGS: K8S_POD_NAMESPACE and K8S_POD_NAME are " +
                                             in_quotes(pod) +
                                             "; allowed are letters, digits, '-', '.'");
  }
  const auto uid = value_of(args, "K8S_POD_UID");
  if (uid.size() > kMaxUid ||
      !std::all_of(uid.begin(), uid.end(), [](char c) { return is_alnum(c) || c == '-'; })) {
    return cni_fail(kInvalidEnvironment, "CNI_ARGS: K8S_POD_UID is " + in_quotes(uid) +
                                             "; allowed are up to 128 letters, digits, '-'");
  }
  call.pod = pod;
  call.pod_namespace = space;
  call.pod_name = name;
  call.pod_uid = uid;
  return {};
}

// version-trace-parent-flags. Of a later version only the beginning is known.
bool is_trace_parent(std::string_view text) {
  constexpr std::size_t kLength = 55, kMost = 256;
  if (text.size() < kLength || text.size() > kMost) return false;
  const auto version = text.substr(0, 2);
  if (version == "ff" || (text.size() > kLength && (version == "00" || text[kLength] != '-'))) {
    return false;
  }
  for (std::size_t i = 0; i < kLength; ++i) {
    const char c = text[i];
    const bool dash = i == 2 || i == 35 || i == 52;
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) return false;
  }
  return text.substr(3, 32).find_first_not_of('0') != std::string_view::npos &&
         text.substr(36, 16).find_first_not_of('0') != std::string_view::npos;
}

// The names of those that the verb needs and that are missing.
std::string missing_variables(const Invocation& call) {
  const bool pod = call.verb == Verb::kAdd || call.verb == Verb::kCheck;
  const bool attachment = pod || call.verb == Verb::kDel;
  std::string out;
  const auto need = [&](bool needed, const std::string& value, const char* name) {
    if (needed && value.empty()) out.append(out.empty() ? "" : ", ").append(name);
  };
  need(attachment, call.container_id, "CNI_CONTAINERID");
  need(pod, call.netns, "CNI_NETNS");
  need(attachment, call.interface, "CNI_IFNAME");
  // Without it a DEL can still do most of its work.
  need(call.verb != Verb::kDel, call.plugin_path, "CNI_PATH");
  return out;
}

Status check_length(const std::string& value, std::size_t most, const char* name) {
  if (value.size() <= most) return {};
  return cni_fail(kInvalidEnvironment, std::string(name) + " is " + in_quotes(value) +
                                           "; allowed are up to " + std::to_string(most) +
                                           " characters");
}

}  // namespace

Result<Verb> read_verb(const Variables& variables) {
  const auto command = variables("CNI_COMMAND").value_or("");
  std::string list;
  for (const auto verb :
       {Verb::kAdd, Verb::kDel, Verb::kCheck, Verb::kGc, Verb::kStatus, Verb::kVersion}) {
    if (command == to_string(verb)) return verb;
    list.append(list.empty() ? "" : ", ").append(to_string(verb));
  }
  return cni_fail(kInvalidEnvironment, "CNI_COMMAND is " +
                                           (command.empty() ? "missing" : in_quotes(command)) +
                                           "; allowed are " + list);
}

Result<Invocation> read_invocation(Verb verb, const Variables& variables) {
  Invocation out;
  out.verb = verb;
  if (verb == Verb::kVersion) return out;
  const auto value = [&](const char* name) { return variables(name).value_or(""); };
  out.container_id = value("CNI_CONTAINERID");
  out.interface = value("CNI_IFNAME");
  out.netns = value("CNI_NETNS");
  out.plugin_path = value("CNI_PATH");
  out.args = value("CNI_ARGS");
  const auto override_word = value("CNI_NETNS_OVERRIDE");
  out.own_netns = override_word == "1" || override_word == "TRUE" || override_word == "true";
  auto trace = value("TRACEPARENT");
  if (is_trace_parent(trace)) out.trace_parent = std::move(trace);
  if (const auto missing = missing_variables(out); !missing.empty()) {
    return cni_fail(kInvalidEnvironment, "required variables are missing: " + missing);
  }
  SLUICE_CHECK_OK(check_length(out.plugin_path, kMaxPathList, "CNI_PATH"));
  if (verb == Verb::kGc || verb == Verb::kStatus) return out;
  SLUICE_CHECK_OK(check_container_id(out.container_id));
  SLUICE_CHECK_OK(check_interface(out.interface));
  SLUICE_CHECK_OK(check_length(out.netns, kMaxPath, "CNI_NETNS"));
  out.pod = "-/" + out.container_id;
  if (verb == Verb::kDel) return out;
  SLUICE_TRY(const auto args, parse_args(out.args));
  SLUICE_CHECK_OK(read_pod(args, out));
  out.args_mac = value_of(args, "MAC");
  out.args_ip = value_of(args, "IP");
  return out;
}

std::string_view to_string(Verb verb) {
  switch (verb) {
    case Verb::kAdd:
      return "ADD";
    case Verb::kDel:
      return "DEL";
    case Verb::kCheck:
      return "CHECK";
    case Verb::kGc:
      return "GC";
    case Verb::kStatus:
      return "STATUS";
    case Verb::kVersion:
      return "VERSION";
  }
  return "VERSION";
}

std::string about_text() {
  std::string out =
      "sluice-cni: gives a pod virtual functions, or a veth, and tells the offload engine.\n"
      "A container runtime calls it with CNI_COMMAND set. CNI versions:";
  for (const auto version : supported_versions()) out.append(" ").append(version);
  return out + "\n";
}

}  // namespace sluice::cni
