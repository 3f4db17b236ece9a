// SPDX-License-Identifier: Apache-2.0
// The VfControl socket: frames with VfRequest in, VfResponse out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "common/os/event_loop.h"
#include "common/os/frame_socket.h"

namespace sluice::softnic {

class VfService {
 public:
  // Sets the administrative MAC of a VF (unset: only asks, zero: clears) and returns it.
  using SetMac = std::function<Result<MacAddr>(const nic::PciAddress&, std::optional<MacAddr>)>;
  static Result<std::unique_ptr<VfService>> listen(os::EventLoop& loop, const std::string& path,
                                                   SetMac set_mac);

 private:
  explicit VfService(std::unique_ptr<os::FrameServer> server) : server_(std::move(server)) {}
  std::unique_ptr<os::FrameServer> server_;
};

// One request's answer; exposed for tests without a socket. Never fails: what is wrong is answered.
std::string answer_vf_request(const std::string& request, const VfService::SetMac& set_mac);

}  // namespace sluice::softnic
