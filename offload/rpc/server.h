// SPDX-License-Identifier: Apache-2.0
// The engine's socket: frames of common/api/offload.proto in, Engine calls, frames out.
//
// Threading: the control thread (the loop's).
#pragma once

#include <memory>
#include <string>

#include "common/os/event_loop.h"
#include "common/os/frame_socket.h"
#include "offload/engine/engine.h"

namespace sluice::rpc {

// What the answers say beside the engine's own state.
struct ServerInfo {
  std::string version;
  std::string backend_reason;
  std::string dpdk;
  std::string manifest;  // its path
  std::string bridge;
  std::string sysfs_root;
  std::string vf_control_socket;  // empty on real hardware
  std::string pending_directory;
};

Result<std::unique_ptr<os::FrameServer>> serve(os::EventLoop& loop, const std::string& socket,
                                               engine::Engine& engine, ServerInfo info);

}  // namespace sluice::rpc
