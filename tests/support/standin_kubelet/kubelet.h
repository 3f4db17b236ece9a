// SPDX-License-Identifier: Apache-2.0
// The stand-in as a whole: what a kubelet serves, and that it can stop and start again in place.
//
// Threading: the control thread; the parts have their own.
#pragma once

#include <memory>
#include <string>

#include "common/base/log.h"
#include "common/base/result.h"
#include "tests/support/standin_kubelet/device_manager.h"
#include "tests/support/standin_kubelet/manners.h"
#include "tests/support/standin_kubelet/plugin_watcher.h"
#include "tests/support/standin_kubelet/pod_resources_server.h"
#include "tests/support/standin_kubelet/registrar.h"

namespace sluice::standin {

class Kubelet {
 public:
  // `watcher`: with a plugins_registry, as every real kubelet has.
  Kubelet(std::string directory, bool watcher, Logger log);
  ~Kubelet();
  Kubelet(const Kubelet&) = delete;
  Kubelet& operator=(const Kubelet&) = delete;

  Status start();  // empties device-plugins, as a kubelet does
  void stop();     // plugins are lost; who has which device is kept, as in a checkpoint
  // Removes the plugins' socket files.
  Result<std::size_t> delete_sockets();

  DeviceManager& devices() { return *devices_; }
  Manners& manners() { return manners_; }

 private:
  std::string directory_;
  bool watcher_;
  Logger log_;
  Manners manners_;
  std::unique_ptr<DeviceManager> devices_;
  std::unique_ptr<Registrar> registrar_;
  std::unique_ptr<PluginWatcher> plugins_;
  std::unique_ptr<PodResourcesServer> pods_;
};

}  // namespace sluice::standin
