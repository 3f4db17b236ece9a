// SPDX-License-Identifier: Apache-2.0
// The plugin watcher of the benchmarks' kubelet: one thread on inotify, one for each socket found.
//
// Threading: the handler is called on several threads at once, and not after destruction.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/result.h"

namespace sluice::bench {

class Watcher {
 public:
  using Registered = std::function<void(const std::string& resource, const std::string& socket)>;
  static Result<std::unique_ptr<Watcher>> start(const std::string& directory,
                                                Registered registered);
  virtual ~Watcher() = default;
};

}  // namespace sluice::bench
