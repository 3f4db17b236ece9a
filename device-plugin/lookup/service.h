// SPDX-License-Identifier: Apache-2.0
// The device plugin's own socket: which devices has this pod, and how are all of them.
//
// Contract: frames of common/api/devices.proto. Once it was there, the socket's file stays, also
// after the service ended: whoever finds it refusing knows that this node has a device plugin that
// is away, and doesn't take "no answer" for "no devices". The next service takes its place.
// Requests and answers are bounded; what names no pod is refused before the directory is asked.
// Threading: the loop's thread.
// Errors: listen(): as os::FrameServer.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/os/event_loop.h"
#include "device-plugin/lookup/directory.h"

namespace sluice::lookup {

inline constexpr const char* kDefaultSocket = "/run/sluice/device-plugin.sock";
inline constexpr std::size_t kMaxDevicesOfPod = 256;

class LookupService {
 public:
  // What there is to say about the fronts, as name and value: {"kubelet sluice.dev/vf",
  // "registered, 1 stream"}. Asked for each list; may be empty.
  using Notes = std::function<std::vector<std::pair<std::string, std::string>>()>;

  // `instance`: another one with each start of the program; within one, PodDevice::given can be
  // compared. The directory, and what `notes` uses, outlive the service.
  static Result<std::unique_ptr<LookupService>> listen(os::EventLoop& loop, const std::string& path,
                                                       Directory& directory, std::string instance,
                                                       Notes notes = {});
  virtual ~LookupService() = default;  // answers that are still to come go nowhere
};

}  // namespace sluice::lookup
