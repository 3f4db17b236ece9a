// SPDX-License-Identifier: Apache-2.0
// What the CNI asks the device plugin (common/api/devices.proto over a frame socket): the devices
// of a pod.
//
// Errors: whatever goes wrong is Retry::kLater and says why: not knowing a pod's devices must never
// be taken for the pod having none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "sriov-cni/attach/selection.h"

namespace sluice::cni {

struct PodDevices {
  std::vector<ListedDevice> devices;  // in pool and index order
  std::string instance;
};

class DeviceClient {
 public:
  explicit DeviceClient(std::string socket) : socket_(std::move(socket)) {}

  // nullopt: there is no socket, so no device plugin on this node.
  Result<std::optional<PodDevices>> devices_of(const std::string& pod_namespace,
                                               const std::string& pod) const;

  // That it answers, for any pod.
  Status is_there() const;

 private:
  std::string socket_;
};

}  // namespace sluice::cni
