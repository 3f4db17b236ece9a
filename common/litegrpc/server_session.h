// SPDX-License-Identifier: Apache-2.0
// The server's end of one connection, without its socket: requests to methods, answers to bytes.
//
// Contract: after each feed(), dispatch() calls the methods whose requests are whole, and what was
// to be told to the owners of streams. `changed` is called when an answer was given from elsewhere:
// output() has something then, or dispatch() has. Foreign code runs in dispatch() and end() only.
// Threading: the loop's thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>

#include "common/litegrpc/server.h"
#include "common/litegrpc/session.h"

namespace sluice::litegrpc {

// Bytes of requests that aren't whole yet, of all connections of a server.
struct RequestBudget {
  std::size_t used = 0;
  std::size_t most = std::size_t{16} << 20U;
};

class ServerSession final : public Session, public std::enable_shared_from_this<ServerSession> {
 public:
  // What is waiting for the peer, to see later whether it has moved.
  struct Mark {
    std::uint64_t requests = 0;
    std::uint64_t payload = 0;
    std::uint64_t written = 0;
    bool operator==(const Mark&) const = default;
  };

  ServerSession(os::EventLoop& loop, std::shared_ptr<const Methods> methods,
                std::shared_ptr<RequestBudget> budget, std::size_t max_streams);
  ~ServerSession() override;

  void on_changed(std::function<void()> changed) { changed_ = std::move(changed); }
  void dispatch();
  bool has_events() const { return !events_.empty(); }
  // Has to be called after output was written: it may be somebody's that waits for that.
  void note_drained();
  // The peer owes something: its first request, the rest of one, or taking what is waiting for it.
  bool peer_owes() const;
  Mark mark() const;
  // Bytes of messages that nghttp2 hasn't fetched yet.
  std::size_t waiting() const { return pushed_ - dropped_ - payload_moved(); }

  // Ends the streams with UNAVAILABLE and says GOAWAY; the owners are told.
  void end();
  // The connection is gone; the owners are told by the next dispatch().
  void lost();

 private:
  class Stream;
  friend class Stream;
  using StreamPtr = std::shared_ptr<Stream>;

  void on_stream_opened(std::int32_t id) override;
  void on_header(std::int32_t id, HeaderField field) override;
  void on_headers_end(std::int32_t id) override;
  void on_data(std::int32_t id, std::string_view bytes) override;
  void on_remote_end(std::int32_t id) override;
  void on_local_end(std::int32_t id) override;
  void on_stream_closed(std::int32_t id, std::uint32_t error_code) override;

  StreamPtr find(std::int32_t id) const;
  void call_method(const StreamPtr& stream);
  void start_deadline(const StreamPtr& stream);
  void answer(const StreamPtr& stream, Result<std::string> result);
  bool push(Stream& stream, std::string message);
  void finish(Stream& stream, int status, std::string_view message);
  void refuse(Stream& stream, int status, std::string_view message);
  void refuse_http(Stream& stream, std::string_view http_status);
  void expire(const StreamPtr& stream);
  void close(Stream& stream);
  void release_request(Stream& stream);
  void drop_waiting(Stream& stream);
  void count_complete(Stream& stream);
  void tell_closed(Stream& stream);
  void changed() const {
    if (changed_) changed_();
  }

  os::EventLoop& loop_;
  std::shared_ptr<const Methods> methods_;
  std::shared_ptr<RequestBudget> budget_;
  std::function<void()> changed_;
  std::unordered_map<std::int32_t, StreamPtr> streams_;
  std::deque<StreamPtr> ready_;               // requests that are whole
  std::deque<std::function<void()>> events_;  // what owners are to be told
  std::vector<std::weak_ptr<Stream>> undrained_;
  std::uint64_t pushed_ = 0;    // bytes into the outboxes
  std::uint64_t dropped_ = 0;   // bytes out of them to nowhere
  std::size_t incomplete_ = 0;  // requests
  std::uint64_t requests_ = 0;  // that were whole, or refused
};

}  // namespace sluice::litegrpc
