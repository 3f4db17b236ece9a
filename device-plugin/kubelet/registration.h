// SPDX-License-Identifier: Apache-2.0
// One Register call to the kubelet, without blocking the caller.
//
// Threading: `done` is called exactly once, on a thread of gRPC's, also after cancel().
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "device-plugin/kubelet/plugin_server.h"

namespace sluice::kubelet {

class Registration {
 public:
  static std::unique_ptr<Registration> start(const std::string& kubelet_socket,
                                             const PluginName& name, Duration deadline,
                                             std::function<void(Status)> done);
  virtual ~Registration() = default;  // cancels, and waits until `done` was called
};

}  // namespace sluice::kubelet
