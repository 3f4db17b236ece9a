// SPDX-License-Identifier: Apache-2.0
// The kubelet's Registration service on device-plugins/kubelet.sock.
//
// Threading: any thread.
#pragma once

#include <memory>
#include <string>

#include "common/base/log.h"
#include "common/base/result.h"
#include "tests/support/standin_kubelet/device_manager.h"
#include "tests/support/standin_kubelet/manners.h"

namespace sluice::standin {

class Registrar {
 public:
  // Makes the directory, and removes what is in it, as a kubelet does at its start.
  static Result<std::unique_ptr<Registrar>> start(const std::string& directory,
                                                  DeviceManager& manager, Manners& manners,
                                                  Logger log);
  virtual ~Registrar() = default;  // stops serving, removes the socket
};

}  // namespace sluice::standin
