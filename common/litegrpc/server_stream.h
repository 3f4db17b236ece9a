// SPDX-License-Identifier: Apache-2.0
// One call of a ServerSession: what came of its request, and how far its answer is.
#pragma once

#include <optional>
#include <string>

#include "common/litegrpc/server_session.h"

namespace sluice::litegrpc {

class ServerSession::Stream final : public ServerStream {
 public:
  Stream(std::weak_ptr<ServerSession> session, std::int32_t number)
      : id(number), session_(std::move(session)) {}

  bool send(std::string message) override;
  void finish(Status status) override;
  bool open() const override { return !ended && !closed; }
  bool drained() const override;
  void on_closed(std::function<void()> callback) override;
  void on_drained(std::function<void()> callback) override;

  const std::int32_t id;

  // The request.
  std::string method;
  std::string path;
  std::string content_type;
  std::optional<Duration> timeout;
  bool bad_timeout = false;
  std::size_t header_bytes = 0;
  bool headers_end = false;
  bool remote_end = false;
  bool complete = false;  // counted as no longer incomplete
  MessageReader request{kMaxMessageBytes};

  // The answer.
  Source source;
  bool submitted = false;  // its headers
  bool ended = false;      // its status is decided
  bool closed = false;     // the stream is no more
  bool cut = false;        // what was waiting has been thrown away
  os::EventLoop::TimerId deadline = 0;

  std::function<void()> tell_closed;
  std::function<void()> tell_drained;
  bool listed_undrained = false;

 private:
  std::weak_ptr<ServerSession> session_;
};

}  // namespace sluice::litegrpc
