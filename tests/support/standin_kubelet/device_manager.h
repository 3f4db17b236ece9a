// SPDX-License-Identifier: Apache-2.0
// A kubelet's device manager as far as plugins can tell: registration, ListAndWatch, allocation.
//
// Threading: any thread. One thread a plugin follows its stream.
#pragma once

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
  std::string pod;  // who has it; empty: nobody
};

struct ResourceView {
  std::vector<DeviceView> devices;
  unsigned registrations = 0;
};

struct Allocation {
  std::vector<std::string> devices;
  std::map<std::string, std::string> envs;
};

class DeviceManager {
 public:
  // Serves on `directory`/kubelet.sock; the directory's other entries are removed.
  static Result<std::unique_ptr<DeviceManager>> start(const std::string& directory, Logger log);
  virtual ~DeviceManager() = default;

  virtual std::map<std::string, ResourceView> resources() const = 0;
  virtual Result<Allocation> allocate(const std::string& pod, const std::string& resource,
                                      std::size_t count) = 0;
  virtual std::size_t free(const std::string& pod) = 0;  // how many devices it had
};

}  // namespace sluice::standin
