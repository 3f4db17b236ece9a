// SPDX-License-Identifier: Apache-2.0
// What the runtime says by CNI_* variables, checked.
//
// Contract: CNI_ARGS is KEY=VALUE;KEY=VALUE. Known are MAC, IP, IgnoreUnknown and Kubernetes'
// K8S_POD_*; another key is an error unless IgnoreUnknown is 1 or true. A value may have a '=' in
// it and the last pair a ';' behind it.
// Errors: code 4, with the variable's name.
// Source: CNI SPEC 1.1.0, section 2 "Execution Protocol", and what its library wants beyond that
// (CNI_PATH); https://www.w3.org/TR/trace-context/ for TRACEPARENT.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice::cni {

enum class Verb : std::uint8_t { kAdd, kDel, kCheck, kGc, kStatus, kVersion };

struct Invocation {
  Verb verb = Verb::kVersion;
  std::string container_id;
  std::string netns;      // empty on DEL when the runtime no longer has it
  std::string interface;  // the name in the pod
  std::string pod;        // "<namespace>/<name>"; "-/<container id>" when the runtime doesn't say
  // As the runtime says them on ADD; empty when it doesn't.
  std::string pod_namespace, pod_name, pod_uid;
  std::string plugin_path;   // CNI_PATH: where delegates are looked for
  std::string args;          // CNI_ARGS as it came, for delegates
  std::string args_mac;      // CNI_ARGS: MAC, not checked yet
  std::string args_ip;       // CNI_ARGS: IP, a list with commas
  std::string trace_parent;  // TRACEPARENT where it is a valid one (W3C Trace Context), else empty
  bool own_netns = false;    // CNI_NETNS_OVERRIDE: the program's own namespace may be the pod's

  // "<container id>/<interface>": an attachment's identity, here and in the engine.
  std::string id() const { return id_of(interface); }
  std::string id_of(const std::string& name) const { return container_id + "/" + name; }
};

using Variables = std::function<std::optional<std::string>(const char*)>;

// The verb alone: errors after this know which call they belong to.
Result<Verb> read_verb(const Variables& variables);
// CNI_ARGS is read on ADD and CHECK only: what can't be read there must not keep anything from
// going.
Result<Invocation> read_invocation(Verb verb, const Variables& variables);

std::string_view to_string(Verb verb);

// For stderr, when somebody calls the program without CNI_COMMAND.
std::string about_text();

}  // namespace sluice::cni
