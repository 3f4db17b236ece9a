// SPDX-License-Identifier: Apache-2.0
// The kubelet of the benchmarks: as fast as one can be, so that what is timed is the plugin. It
// finds sockets by inotify, talks to each on a thread of its own over gRPC C++, and notes when each
// resource's first list came.
//
// Threading: any thread.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "tests/support/standin_kubelet/endpoint.h"

namespace sluice::bench {

class Kubelet {
 public:
  // Serves device-plugins/kubelet.sock and pod-resources/kubelet.sock, and watches
  // plugins_registry where there is one.
  static Result<std::unique_ptr<Kubelet>> start(const std::string& directory);
  virtual ~Kubelet() = default;

  // Until that many resources have sent a list; the time of the last one's first. None: `limit`.
  virtual std::optional<TimePoint> wait_for_lists(std::size_t resources, Duration limit) = 0;
  virtual std::map<std::string, std::vector<standin::DeviceView>> lists() const = 0;
  // An error for a resource that nobody registered.
  virtual Result<standin::Endpoint*> endpoint(const std::string& resource) = 0;
};

}  // namespace sluice::bench
