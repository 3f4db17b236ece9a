// SPDX-License-Identifier: Apache-2.0
// The kubelet's PodResourcesLister on pod-resources/kubelet.sock, from what was allocated.
//
// Threading: any thread.
#pragma once

#include <memory>
#include <string>

#include "common/base/result.h"
#include "tests/support/standin_kubelet/device_manager.h"
#include "tests/support/standin_kubelet/manners.h"

namespace sluice::standin {

class PodResourcesServer {
 public:
  static Result<std::unique_ptr<PodResourcesServer>> start(const std::string& directory,
                                                           DeviceManager& manager,
                                                           Manners& manners);
  virtual ~PodResourcesServer() = default;  // stops serving, removes the socket
};

}  // namespace sluice::standin
