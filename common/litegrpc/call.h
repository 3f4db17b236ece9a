// SPDX-License-Identifier: Apache-2.0
// One unary gRPC call over a unix socket, without blocking the loop.
//
// Contract: a new connection for each call (the callers make a few a minute). `:authority` is
// "localhost". `done` is called exactly once, on the loop's thread, never from within start(); not
// at all once the Call is destroyed, which cancels it.
// Errors: nobody there: Code::kUnavailable; too late: Code::kTimeout; a gRPC status: the Code that
// stands for it, with the peer's message; an answer larger than kMaxAnswerBytes: Code::kInvalid.
// Source: the gRPC over HTTP/2 protocol description, RFC 9113.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/os/event_loop.h"

namespace sluice::litegrpc {

inline constexpr std::size_t kMaxAnswerBytes = std::size_t{16} << 20U;

class Call {
 public:
  using Done = std::function<void(Result<std::string>)>;
  static std::unique_ptr<Call> start(os::EventLoop& loop, const std::string& socket,
                                     const std::string& method, std::string request,
                                     Duration deadline, Done done);
  virtual ~Call() = default;
};

}  // namespace sluice::litegrpc
