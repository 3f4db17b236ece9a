// SPDX-License-Identifier: Apache-2.0
// An attachment's identity to the runtime: a container and an interface's name in it.
// Source: CNI SPEC 1.1.0, "Attachment" and `cni.dev/valid-attachments` of GC.
#pragma once

#include <compare>
#include <string>

namespace sluice::cni {

struct AttachmentKey {
  std::string container_id, interface;
  // "<container id>/<interface>": here and in the engine.
  std::string id() const { return container_id + "/" + interface; }
  auto operator<=>(const AttachmentKey&) const = default;
};

}  // namespace sluice::cni
