// SPDX-License-Identifier: Apache-2.0
#include "common/litegrpc/session.h"

#include <nghttp2/nghttp2.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace sluice::litegrpc {
namespace {

// Filled up to here before it is written: few system calls, little memory.
constexpr std::size_t kOutputBytes = std::size_t{64} << 10U;
// Kept between answers, so that the next one needs no allocation.
constexpr std::size_t kKeptBytes = std::size_t{4} << 10U;
// What a client lets a server send ahead; HTTP/2's 64 KiB are little for a node's list of pods.
constexpr std::int32_t kClientWindow = std::int32_t{1} << 20U;
constexpr std::uint32_t kMaxHeaderListBytes = std::uint32_t{16} << 10U;
constexpr std::size_t kMaxProblem = 200;

// nghttp2's functions of this kind fail when memory is out, and on misuse.
void require(int result) {
  if (result != 0) std::abort();
}

std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// nghttp2 copies both; its structure just isn't const.
nghttp2_nv to_nv(std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view s) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(s.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::vector<nghttp2_nv> to_nv(const std::vector<HeaderField>& fields) {
  std::vector<nghttp2_nv> out;
  out.reserve(fields.size());
  for (const auto& field : fields) out.push_back(to_nv(field.name, field.value));
  return out;
}

}  // namespace

struct SessionGlue {
  using Source = Session::Source;

  static Session& self(void* user) { return *static_cast<Session*>(user); }

  static ssize_t send(nghttp2_session*, const std::uint8_t* data, std::size_t size, int,
                      void* user) {
    Session& session = self(user);
    if (session.out_.size() >= kOutputBytes) return NGHTTP2_ERR_WOULDBLOCK;
    session.out_.append(text(data, size));
    return static_cast<ssize_t>(size);
  }

  static ssize_t read_source(nghttp2_session* raw, std::int32_t stream, std::uint8_t*,
                             std::size_t room, std::uint32_t* flags, nghttp2_data_source* where,
                             void*) {
    const auto& source = *static_cast<Source*>(where->ptr);
    const std::size_t count = std::min(room, source.box.waiting());
    if (count == 0 && !source.ended) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (!source.ended || count < source.box.waiting()) return static_cast<ssize_t>(count);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!source.trailers.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      std::vector<nghttp2_nv> trailers;
      for (const auto& [name, value] : source.trailers) trailers.push_back(to_nv(name, value));
      if (nghttp2_submit_trailer(raw, stream, trailers.data(), trailers.size()) != 0) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      }
    }
    return static_cast<ssize_t>(count);
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* header,
                       std::size_t size, nghttp2_data_source* where, void* user) {
    Session& session = self(user);
    auto& source = *static_cast<Source*>(where->ptr);
    constexpr std::size_t kFrameHeader = 9;
    session.out_.append(text(header, kFrameHeader));
    source.box.move_to(session.out_, size);
    session.payload_moved_ += size;
    source.end_position = session.total_produced();
    return session.out_.size() >= kOutputBytes ? NGHTTP2_ERR_PAUSE : 0;
  }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    const bool request = frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if (frame->hd.type == NGHTTP2_HEADERS && request) {
      self(user).on_stream_opened(frame->hd.stream_id);
    }
    return 0;
  }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t, void* user) {
    if (frame->hd.type == NGHTTP2_HEADERS) {
      self(user).on_header(frame->hd.stream_id, {text(name, name_size), text(value, value_size)});
    }
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    const auto type = frame->hd.type;
    if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA) return 0;
    Session& session = self(user);
    if (type == NGHTTP2_HEADERS) session.on_headers_end(frame->hd.stream_id);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      session.on_remote_end(frame->hd.stream_id);
    return 0;
  }

  static int data_chunk(nghttp2_session*, std::uint8_t, std::int32_t stream,
                        const std::uint8_t* data, std::size_t size, void* user) {
    self(user).on_data(stream, text(data, size));
    return 0;
  }

  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    const auto type = frame->hd.type;
    if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA) return 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      self(user).on_local_end(frame->hd.stream_id);
    return 0;
  }

  static int stream_closed(nghttp2_session*, std::int32_t stream, std::uint32_t error_code,
                           void* user) {
    self(user).on_stream_closed(stream, error_code);
    return 0;
  }

  static int problem(nghttp2_session*, int, const char* message, std::size_t size, void* user) {
    self(user).problem_.assign(message, std::min(size, kMaxProblem));
    return 0;
  }

  static nghttp2_session_callbacks* callbacks() {
    nghttp2_session_callbacks* all = nullptr;
    require(nghttp2_session_callbacks_new(&all));
    nghttp2_session_callbacks_set_send_callback(all, send);
    nghttp2_session_callbacks_set_send_data_callback(all, send_data);
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(all, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, data_chunk);
    nghttp2_session_callbacks_set_on_frame_send_callback(all, frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, stream_closed);
    nghttp2_session_callbacks_set_error_callback2(all, problem);
    return all;
  }
};

Session::Session(Role role, std::size_t max_streams) {
  nghttp2_session_callbacks* callbacks = SessionGlue::callbacks();
  nghttp2_option* option = nullptr;
  require(nghttp2_option_new(&option));
  nghttp2_option_set_no_closed_streams(option, 1);
  if (role == Role::kServer) {
    // Some kubelets' ":authority" is the socket's path, which nghttp2 refuses as no host name. What
    // a request must have is checked by on_header() and on_headers_end().
    nghttp2_option_set_no_http_messaging(option, 1);
    require(nghttp2_session_server_new2(&session_, callbacks, this, option));
  } else {
    require(nghttp2_session_client_new2(&session_, callbacks, this, option));
  }
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);

  std::vector<nghttp2_settings_entry> settings{
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeaderListBytes}};
  if (role == Role::kServer) {
    settings.push_back(
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(max_streams)});
  } else {
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
    settings.push_back({NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kClientWindow});
  }
  require(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()));
  if (role == Role::kClient) {
    require(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kClientWindow));
  }
}

Session::~Session() { nghttp2_session_del(session_); }

bool Session::feed(std::string_view bytes) {
  const auto taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0) {
    if (problem_.empty()) problem_ = nghttp2_strerror(static_cast<int>(taken));
    return false;
  }
  // After a fault nghttp2 has its GOAWAY to say, and reads no more.
  return nghttp2_session_want_read(session_) != 0 || problem_.empty();
}

std::string_view Session::output() {
  if (unwritten() == 0) {
    out_.clear();
    out_written_ = 0;
    if (out_.capacity() > kKeptBytes && nghttp2_session_want_write(session_) == 0) out_ = {};
    const int result = nghttp2_session_send(session_);
    // Of no memory, or the like: nothing to say any more.
    if (result != 0 && problem_.empty()) problem_ = nghttp2_strerror(result);
  }
  return std::string_view(out_).substr(out_written_);
}

void Session::written(std::size_t count) {
  out_written_ += count;
  total_written_ += count;
}

bool Session::over() const {
  return unwritten() == 0 && nghttp2_session_want_read(session_) == 0 &&
         nghttp2_session_want_write(session_) == 0;
}

bool Session::submit_request(const std::vector<HeaderField>& headers, Source& source,
                             std::int32_t& stream) {
  const auto fields = to_nv(headers);
  nghttp2_data_provider provider{{}, SessionGlue::read_source};
  provider.source.ptr = &source;
  stream =
      nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(), &provider, nullptr);
  return stream > 0;
}

bool Session::submit_response(std::int32_t stream, const std::vector<HeaderField>& headers,
                              Source* source) {
  const auto fields = to_nv(headers);
  nghttp2_data_provider provider{{}, SessionGlue::read_source};
  provider.source.ptr = source;
  return nghttp2_submit_response(session_, stream, fields.data(), fields.size(),
                                 source != nullptr ? &provider : nullptr) == 0;
}

void Session::resume(std::int32_t stream) {
  // An error says that it isn't deferred, so it is looked at anyway.
  (void)nghttp2_session_resume_data(session_, stream);
}

void Session::reset(std::int32_t stream, std::uint32_t error_code) {
  (void)nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, error_code);
}

void Session::go_away() {
  (void)nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                              nullptr, 0);
}

bool Session::blocked(std::int32_t stream) const {
  return nghttp2_session_get_stream_remote_window_size(session_, stream) <= 0 ||
         nghttp2_session_get_remote_window_size(session_) <= 0;
}

}  // namespace sluice::litegrpc
