// SPDX-License-Identifier: Apache-2.0
#include "tests/support/standin_kubelet/kubelet.h"

#include "common/os/files.h"

namespace sluice::standin {

Kubelet::Kubelet(std::string directory, bool watcher, Logger log)
    : directory_(std::move(directory)),
      watcher_(watcher),
      log_(std::move(log)),
      devices_(DeviceManager::make(log_)) {}

Kubelet::~Kubelet() { stop(); }

Status Kubelet::start() {
  if (registrar_) return {};
  // The directories first, as in the kubelet, whose plugin manager is up before its device manager.
  if (watcher_) SLUICE_CHECK_OK(os::make_directories(directory_ + "/plugins_registry"));
  SLUICE_TRY(pods_, PodResourcesServer::start(directory_ + "/pod-resources", *devices_, manners_));
  SLUICE_TRY(registrar_,
             Registrar::start(directory_ + "/device-plugins", *devices_, manners_, log_));
  if (watcher_) {
    SLUICE_TRY(plugins_,
               PluginWatcher::start(directory_ + "/plugins_registry", *devices_, manners_, log_));
  }
  return {};
}

void Kubelet::stop() {
  plugins_.reset();
  registrar_.reset();
  pods_.reset();
  devices_->disconnect_all();
}

Result<std::size_t> Kubelet::delete_sockets() {
  std::size_t count = 0;
  for (const std::string folder : {"/device-plugins", "/plugins_registry"}) {
    auto root = os::Root::open(directory_ + folder);
    if (!root) continue;
    SLUICE_TRY(const auto names, root->list("."));
    for (const auto& name : names) {
      if (name == "kubelet.sock" || !name.ends_with(".sock")) continue;
      SLUICE_CHECK_OK(os::remove_file(directory_ + folder + "/" + name));
      ++count;
    }
  }
  return count;
}

}  // namespace sluice::standin
