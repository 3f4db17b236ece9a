// SPDX-License-Identifier: Apache-2.0
// The kubelet's plugin watcher: finds sockets in plugins_registry, asks who is there, takes device
// plugins, and forgets those whose socket is gone. DRA drivers are told that they are refused.
//
// Threading: any thread; it has one of its own, which looks every 50 ms.
#pragma once

#include <memory>
#include <string>

#include "common/base/log.h"
#include "common/base/result.h"
#include "tests/support/standin_kubelet/device_manager.h"
#include "tests/support/standin_kubelet/manners.h"

namespace sluice::standin {

class PluginWatcher {
 public:
  static Result<std::unique_ptr<PluginWatcher>> start(const std::string& directory,
                                                      DeviceManager& manager, Manners& manners,
                                                      Logger log);
  virtual ~PluginWatcher() = default;  // ends the thread; plugins stay registered
};

}  // namespace sluice::standin
