// SPDX-License-Identifier: Apache-2.0
// Length-prefixed frames over unix stream sockets: 4 bytes big-endian length, then that many bytes.
// One request frame is answered by one response frame; a connection may carry several in turn.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/os/event_loop.h"

namespace sluice::os {

inline constexpr std::size_t kMaxFrameBytes = std::size_t{64} << 20U;   // responses
inline constexpr std::size_t kMaxRequestBytes = std::size_t{1} << 20U;  // requests

struct FrameLimits {
  Duration stall = std::chrono::seconds(10);
  std::size_t connections = 64;
};

// Serves on the loop's thread. A peer that sends an oversized length, whose next request isn't
// whole 10 s after its last answer, or that takes nothing of an answer for 10 s, is cut off; at
// most 64 connections, the next is refused. A stale socket file of a dead server is replaced, a
// live one is Code::kExists.
class FrameServer {
 public:
  // The handler answers by calling `reply` once, now or later, on the loop's thread. A reply whose
  // connection or server is gone goes nowhere; a second one is ignored.
  using Reply = std::function<void(std::string)>;
  using Handler = std::function<void(std::string request, Reply reply)>;
  static Result<std::unique_ptr<FrameServer>> listen(EventLoop& loop, const std::string& path,
                                                     Handler handler, unsigned mode = 0600,
                                                     FrameLimits limits = {});
  virtual ~FrameServer() = default;  // closes, removes the socket file
};

// One request and its answer on a new connection; blocks until the deadline.
// Nobody there: Code::kUnavailable. Too late: Code::kTimeout.
Result<std::string> frame_call(const std::string& path, std::string_view request,
                               Duration deadline);

}  // namespace sluice::os
