// SPDX-License-Identifier: Apache-2.0
// What the runtime says by CNI_* variables, checked.
//
// Source: CNI SPEC 1.1.0, section 2 "Execution Protocol".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/base/result.h"

namespace sluice::cni {

enum class Verb : std::uint8_t { kAdd, kDel, kVersion };

struct Invocation {
  Verb verb = Verb::kVersion;
  std::string container_id;
  std::string netns;      // empty on DEL when the runtime no longer has it
  std::string interface;  // the name in the pod
  std::string pod;        // "<namespace>/<name>"; "-/<container id>" when the runtime doesn't say
  // As the runtime says them on ADD; empty when it doesn't.
  std::string pod_namespace, pod_name, pod_uid;

  // "<container id>/<interface>": an attachment's identity, here and in the engine.
  std::string id() const { return id_of(interface); }
  std::string id_of(const std::string& name) const { return container_id + "/" + name; }
};

using Variables = std::function<std::optional<std::string>(const char*)>;

// The verb alone: errors after this know which call they belong to.
Result<Verb> read_verb(const Variables& variables);
// For DEL, CNI_ARGS is not looked at: what can't be read there must not keep anything from going.
Result<Invocation> read_invocation(Verb verb, const Variables& variables);

std::string_view to_string(Verb verb);

}  // namespace sluice::cni
