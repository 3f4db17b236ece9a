// SPDX-License-Identifier: Apache-2.0
// The kubelet's end of one registered plugin: its channel, and the thread on its stream.
//
// Threading: any thread; the callbacks come from the stream's own, and not after destruction.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"

namespace sluice::standin {

struct DeviceView {
  std::string id;
  bool healthy = false;
  int numa_node = -1;
  std::string pod;  // who has it; empty: nobody
};

struct NodeView {
  std::string container_path, host_path, permissions;
};

struct MountView {
  std::string container_path, host_path;
  bool read_only = false;
};

// What a container gets.
struct Allocation {
  std::vector<std::string> devices;
  std::map<std::string, std::string> envs;
  std::vector<NodeView> nodes;
  std::vector<MountView> mounts;
  std::vector<std::string> cdi;
};

class Endpoint {
 public:
  struct Events {
    std::function<void(std::vector<DeviceView>)> list;
    std::function<void()> ended;  // the stream
  };
  static std::unique_ptr<Endpoint> connect(const std::string& socket, const std::string& resource,
                                           Events events, Logger log);
  virtual ~Endpoint() = default;  // cancels the stream, waits for its thread

  // As the kubelet: asks only when the plugin offers an opinion and there is something to choose.
  virtual Result<std::vector<std::string>> choose(const std::vector<std::string>& free,
                                                  std::size_t count) = 0;
  virtual Result<Allocation> allocate(const std::vector<std::string>& ids) = 0;
};

}  // namespace sluice::standin
