// SPDX-License-Identifier: Apache-2.0
// One HTTP/2 connection without its socket: bytes in, bytes out, and what happens on its streams.
//
// Framing, header compression, flow control, PING, SETTINGS, GOAWAY and the defences against floods
// are nghttp2's; which headers and messages make a call is the derived classes' matter.
//
// Contract: the hooks on_*() are called from within feed() and output() and must neither call these
// nor run foreign code: they note what is to be done afterwards.
// Source: RFC 9113, nghttp2's programmer's guide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/litegrpc/frames.h"

struct nghttp2_session;

namespace sluice::litegrpc {

struct HeaderField {
  std::string_view name;
  std::string_view value;
};

struct SessionGlue;  // nghttp2's callbacks, in session.cc

class Session {
 public:
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session();

  // False: the connection can't go on, problem() says why; what output() has may still be sent.
  bool feed(std::string_view bytes);
  // What is to be written next, valid until the next call; empty: nothing now.
  std::string_view output();
  void written(std::size_t count);
  // Neither side has anything more to say.
  bool over() const;

  const std::string& problem() const { return problem_; }
  // Bytes that output() has shown and nobody wrote.
  std::size_t unwritten() const { return out_.size() - out_written_; }
  std::uint64_t total_written() const { return total_written_; }
  std::uint64_t total_produced() const { return total_written_ + unwritten(); }
  std::uint64_t payload_moved() const { return payload_moved_; }

 protected:
  enum class Role { kServer, kClient };

  // A stream's outgoing half. Must live until on_stream_closed().
  struct Source {
    Outbox box;
    bool ended = false;  // nothing will be pushed any more
    // After the last message; none: the last message ends the stream.
    std::vector<std::pair<std::string, std::string>> trailers;
    std::uint64_t end_position = 0;  // of total_produced(), after the last byte that was moved
  };

  Session(Role role, std::size_t max_streams);

  virtual void on_stream_opened(std::int32_t /*stream*/) {}
  virtual void on_header(std::int32_t stream, HeaderField field) = 0;
  virtual void on_headers_end(std::int32_t stream) = 0;
  virtual void on_data(std::int32_t stream, std::string_view bytes) = 0;
  virtual void on_remote_end(std::int32_t stream) = 0;
  virtual void on_local_end(std::int32_t /*stream*/) {}
  virtual void on_stream_closed(std::int32_t stream, std::uint32_t error_code) = 0;

  // Each returns false when nghttp2 wouldn't: the stream is gone then, or about to be.
  bool submit_request(const std::vector<HeaderField>& headers, Source& source,
                      std::int32_t& stream);
  bool submit_response(std::int32_t stream, const std::vector<HeaderField>& headers,
                       Source* source);  // null: the headers are all
  void resume(std::int32_t stream);      // the Source has got something
  void reset(std::int32_t stream, std::uint32_t error_code);
  void go_away();
  // The peer's flow control lets nothing of this stream pass now.
  bool blocked(std::int32_t stream) const;

 private:
  friend struct SessionGlue;

  nghttp2_session* session_ = nullptr;
  std::string out_;
  std::size_t out_written_ = 0;
  std::uint64_t total_written_ = 0;
  std::uint64_t payload_moved_ = 0;
  std::string problem_;
};

}  // namespace sluice::litegrpc
