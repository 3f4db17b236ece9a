// SPDX-License-Identifier: Apache-2.0
// A gRPC server on a unix socket: HTTP/2 by nghttp2, on an EventLoop, messages as bytes.
//
// It exists for the kubelet's small APIs: one thread, a few hundred kilobytes, and answers in some
// ten microseconds. Messages are whatever the caller serialises (protobuf).
//
// Contract: connections that have made their first call may stay idle for as long as they like.
// Methods are called on the loop's thread and may answer at once, later, or destroy the Server. A
// method that is not in Methods is answered UNIMPLEMENTED. A request that is compressed,
// too large (kMaxMessageBytes), or not exactly one message is refused with the gRPC status that the
// specification names. A peer that keeps to nothing is cut off: connections, streams and unsent
// bytes are bounded.
// Threading: the loop's thread.
// Source: the gRPC over HTTP/2 protocol description (PROTOCOL-HTTP2.md of grpc), RFC 9113.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/result.h"
#include "common/os/event_loop.h"

namespace sluice::litegrpc {

// grpc-go's default limit for what it receives, and ours.
inline constexpr std::size_t kMaxMessageBytes = std::size_t{4} << 20U;

// Answers once, now or later. A reply whose stream is gone goes nowhere; a second one is ignored.
// An Error becomes the gRPC status of its Code, and its to_string() the message.
using Reply = std::function<void(Result<std::string>)>;
using UnaryMethod = std::function<void(std::string_view request, Reply reply)>;

// A server-streaming call. Held by the method as long as it likes.
class ServerStream {
 public:
  virtual ~ServerStream() = default;
  // False when the peer is gone, or so slow that kMaxMessageBytes are waiting already.
  virtual bool send(std::string message) = 0;
  virtual void finish(Status status) = 0;
  virtual bool open() const = 0;
  // Everything that send() took has been handed to the socket.
  virtual bool drained() const = 0;
  // Called once when the stream ends for whatever reason but finish(), and never after finish().
  // ~Server ends streams too: it calls this before it returns. Set on a stream that isn't open():
  // nothing.
  virtual void on_closed(std::function<void()> closed) = 0;
  // Called whenever drained() becomes true while the stream is open. Neither of the two is ever
  // called from within a call to this object.
  virtual void on_drained(std::function<void()> drained) = 0;
};
using StreamMethod =
    std::function<void(std::string_view request, std::shared_ptr<ServerStream> stream)>;

struct Methods {
  // By path: "/v1beta1.DevicePlugin/Allocate".
  std::map<std::string, UnaryMethod, std::less<>> unary;
  std::map<std::string, StreamMethod, std::less<>> streaming;
};

struct ServerLimits {
  std::size_t connections = 32;
  std::size_t streams = 100;  // under way on one connection
  // How long a peer may keep its first request, the rest of a request, or an answer waiting.
  Duration stall = std::chrono::seconds(10);
};

class Server {
 public:
  // A stale socket file of a dead server is replaced, a live one is Code::kExists. `mode`: of the
  // socket file.
  static Result<std::unique_ptr<Server>> listen(os::EventLoop& loop, const std::string& path,
                                                Methods methods, Logger log, unsigned mode = 0600,
                                                ServerLimits limits = {});
  // Ends all streams with UNAVAILABLE, sends GOAWAY as far as the sockets take it at once, closes,
  // and removes the socket file if it still is its own.
  virtual ~Server() = default;

  // Is the file at our path still the one that we made?
  enum class SocketState { kOurs, kMissing, kReplaced };
  virtual SocketState socket_state() const = 0;
};

}  // namespace sluice::litegrpc
