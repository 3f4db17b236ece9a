// SPDX-License-Identifier: Apache-2.0
// The VfControl socket: frames with VfRequest in, VfResponse out.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "common/os/event_loop.h"
#include "common/os/frame_socket.h"
#include "offload/softnic/vf_settings.h"

namespace sluice::softnic {

class VfService {
 public:
  // Changes what is set (all of it, or nothing and an error) and returns how the VF is then.
  using Change =
      std::function<Result<VfSettings>(const nic::PciAddress&, const netlink::VfAttributes&)>;
  static Result<std::unique_ptr<VfService>> listen(os::EventLoop& loop, const std::string& path,
                                                   Change change);

 private:
  explicit VfService(std::unique_ptr<os::FrameServer> server) : server_(std::move(server)) {}
  std::unique_ptr<os::FrameServer> server_;
};

// One request's answer; exposed for tests without a socket. Never fails: what is wrong is answered.
std::string answer_vf_request(const std::string& request, const VfService::Change& change);

}  // namespace sluice::softnic
