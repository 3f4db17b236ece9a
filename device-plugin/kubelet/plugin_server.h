// SPDX-License-Identifier: Apache-2.0
// Serves one pool to the kubelet on a unix socket of its own.
//
// Threading: any thread. The server is up when start() returns; destruction ends the streams, and
// gRPC closes the listener and removes the socket.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"
#include "device-plugin/pools/device.h"

namespace sluice::kubelet {

struct PluginName {
  std::string pool;                 // "vf"
  std::string resource;             // "sluice.dev/vf"
  std::string socket_name() const;  // "sluice.dev_vf.sock"
};

class PluginServer {
 public:
  static Result<std::unique_ptr<PluginServer>> start(const std::string& directory,
                                                     const PluginName& name,
                                                     std::vector<pools::Device> devices,
                                                     const Logger& log);
  virtual ~PluginServer() = default;

  virtual void publish(std::vector<pools::Device> devices) = 0;
  virtual std::size_t streams() const = 0;  // ListAndWatch calls under way

  enum class SocketState { kOurs, kMissing, kReplaced };
  virtual SocketState socket_state() const = 0;
};

}  // namespace sluice::kubelet
