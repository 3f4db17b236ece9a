// SPDX-License-Identifier: Apache-2.0
#include "common/litegrpc/server_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>

#include "common/litegrpc/server_stream.h"
#include "common/litegrpc/status.h"
#include "common/litegrpc/wire_status.h"

namespace sluice::litegrpc {
namespace {

constexpr std::size_t kMaxHeaderBytes = std::size_t{16} << 10U;
constexpr std::size_t kHeaderOverhead = 32;  // as RFC 9113 counts a header list
// Of answers that one connection's peer doesn't take.
constexpr std::size_t kMaxWaitingBytes = std::size_t{16} << 20U;
constexpr std::size_t kMaxShown = 200;

constexpr HeaderField kStatus200{":status", "200"};
constexpr HeaderField kContentType{"content-type", "application/grpc"};

}  // namespace

ServerSession::ServerSession(os::EventLoop& loop, std::shared_ptr<const Methods> methods,
                             std::shared_ptr<RequestBudget> budget, std::size_t max_streams)
    : Session(Role::kServer, max_streams),
      loop_(loop),
      methods_(std::move(methods)),
      budget_(std::move(budget)) {}

ServerSession::~ServerSession() { lost(); }

// --- Requests.

ServerSession::StreamPtr ServerSession::find(std::int32_t id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second;
}

void ServerSession::on_stream_opened(std::int32_t id) {
  streams_.try_emplace(id, std::make_shared<Stream>(weak_from_this(), id));
  ++incomplete_;
}

void ServerSession::on_header(std::int32_t id, HeaderField field) {
  const StreamPtr stream = find(id);
  if (!stream || stream->headers_end) return;
  stream->header_bytes += field.name.size() + field.value.size() + kHeaderOverhead;
  if (stream->header_bytes > kMaxHeaderBytes) return;
  if (field.name == ":method") {
    stream->method = field.value;
  } else if (field.name == ":path") {
    stream->path = field.value;
  } else if (field.name == "content-type") {
    stream->content_type = field.value;
  } else if (field.name == "grpc-timeout") {
    stream->timeout = parse_timeout(field.value);
    stream->bad_timeout = !stream->timeout.has_value();
  }
}

void ServerSession::on_headers_end(std::int32_t id) {
  const StreamPtr stream = find(id);
  if (!stream || stream->headers_end) return;  // else trailers, which say nothing to us
  stream->headers_end = true;
  if (stream->header_bytes > kMaxHeaderBytes) {
    return refuse(*stream, kResourceExhausted,
                  "header fields have " + std::to_string(stream->header_bytes) +
                      " bytes; allowed are " + std::to_string(kMaxHeaderBytes));
  }
  if (stream->method != "POST") return refuse_http(*stream, "405");
  if (!is_grpc_content(stream->content_type)) return refuse_http(*stream, "415");
  if (!methods_->unary.contains(stream->path) && !methods_->streaming.contains(stream->path)) {
    return refuse(*stream, kUnimplemented,
                  "there is no method '" + stream->path.substr(0, kMaxShown) + "'");
  }
  if (stream->bad_timeout) {
    refuse(*stream, kInternal,
           "grpc-timeout is malformed; allowed are 1 to 8 digits and one of "
           "H, M, S, m, u, n");
  }
}

void ServerSession::on_data(std::int32_t id, std::string_view bytes) {
  const StreamPtr stream = find(id);
  if (!stream || stream->ended) return;
  const std::size_t before = stream->request.held();
  const auto problem = stream->request.feed(bytes);
  budget_->used += stream->request.held() - before;
  switch (problem) {
    case MessageReader::Problem::kNone:
      if (budget_->used > budget_->most) {
        refuse(*stream, kResourceExhausted, "too many requests are under way at once");
      }
      return;
    case MessageReader::Problem::kCompressed:
      return refuse(*stream, kUnimplemented,
                    "the request is compressed; only grpc-encoding identity is supported");
    case MessageReader::Problem::kBadFlag:
      return refuse(*stream, kInternal, "the request's compression flag is neither 0 nor 1");
    case MessageReader::Problem::kTooLarge:
      return refuse(*stream, kResourceExhausted,
                    "the request has " + std::to_string(stream->request.announced()) +
                        " bytes; allowed are " + std::to_string(kMaxMessageBytes));
    case MessageReader::Problem::kSecond:
      return refuse(*stream, kUnimplemented, "the request has more than one message");
  }
}

void ServerSession::on_remote_end(std::int32_t id) {
  const StreamPtr stream = find(id);
  if (!stream) return;
  stream->remote_end = true;
  if (stream->ended) return;
  if (stream->request.whole()) {
    count_complete(*stream);
    ready_.push_back(stream);
  } else if (stream->request.empty()) {
    refuse(*stream, kUnimplemented, "the request has no message");
  } else {
    refuse(*stream, kInternal, "the request's message is cut short");
  }
}

void ServerSession::on_local_end(std::int32_t id) {
  const StreamPtr stream = find(id);
  // Answered before the request was whole: the peer need not send the rest.
  if (stream && !stream->remote_end) reset(id, NGHTTP2_NO_ERROR);
}

void ServerSession::on_stream_closed(std::int32_t id, std::uint32_t) {
  const StreamPtr stream = find(id);
  if (!stream) return;
  close(*stream);
  streams_.erase(id);
}

void ServerSession::count_complete(Stream& stream) {
  if (stream.complete) return;
  stream.complete = true;
  --incomplete_;
  ++requests_;
}

void ServerSession::release_request(Stream& stream) {
  budget_->used -= stream.request.held();
  stream.request.clear();
}

// --- Methods.

void ServerSession::dispatch() {
  const auto self = shared_from_this();  // a method may close the server
  while (true) {
    if (!ready_.empty()) {
      const StreamPtr stream = std::move(ready_.front());
      ready_.pop_front();
      if (stream->open()) call_method(stream);
    } else if (!events_.empty()) {
      const auto event = std::move(events_.front());
      events_.pop_front();
      event();
    } else {
      return;
    }
  }
}

void ServerSession::call_method(const StreamPtr& stream) {
  // Both held here: the method may destroy the server, and the session with it.
  const auto methods = methods_;
  budget_->used -= stream->request.held();
  const std::string request = stream->request.take();
  if (const auto found = methods->unary.find(stream->path); found != methods->unary.end()) {
    const std::weak_ptr<ServerSession> session = weak_from_this();
    const std::weak_ptr<Stream> target = stream;
    found->second(request, [session, target](Result<std::string> result) {
      const auto alive = session.lock();
      const auto open = target.lock();
      if (alive && open) alive->answer(open, std::move(result));
    });
  } else if (const auto other = methods->streaming.find(stream->path);
             other != methods->streaming.end()) {
    other->second(request, stream);
  }
  if (stream->open()) start_deadline(stream);
}

void ServerSession::start_deadline(const StreamPtr& stream) {
  if (!stream->timeout) return;
  const std::weak_ptr<ServerSession> session = weak_from_this();
  const std::weak_ptr<Stream> target = stream;
  stream->deadline = loop_.after(*stream->timeout, [session, target] {
    const auto alive = session.lock();
    const auto late = target.lock();
    if (alive && late) alive->expire(late);
  });
}

void ServerSession::expire(const StreamPtr& stream) {
  if (!stream->open()) return;
  tell_closed(*stream);
  const std::size_t left = stream->source.box.waiting();
  if (stream->source.box.within_message() || (left > 0 && blocked(stream->id))) {
    // A status can't follow half a message, nor overtake what the peer doesn't let pass.
    stream->ended = true;
    reset(stream->id, NGHTTP2_CANCEL);
  } else {
    drop_waiting(*stream);
    finish(*stream, kDeadlineExceeded, "the call's deadline has passed");
  }
  changed();
}

// --- Answers.

void ServerSession::answer(const StreamPtr& stream, Result<std::string> result) {
  if (!stream->open()) return;
  if (!result) {
    finish(*stream, grpc_of_code(result.error().code), result.error().to_string());
  } else if (waiting() + result->size() > kMaxWaitingBytes) {
    finish(*stream, kResourceExhausted,
           "the answer has " + std::to_string(result->size()) + " bytes, and " +
               std::to_string(waiting()) + " wait on this connection already; allowed are " +
               std::to_string(kMaxWaitingBytes));
  } else {
    // Decided in one go, so that message and status leave together.
    push(*stream, std::move(*result));
    finish(*stream, kOk, "");
  }
  changed();
}

bool ServerSession::push(Stream& stream, std::string message) {
  if (!stream.submitted) {
    if (!submit_response(stream.id, {kStatus200, kContentType}, &stream.source)) return false;
    stream.submitted = true;
  }
  pushed_ += message.size() + kPrefixBytes;
  stream.source.box.push(std::move(message));
  resume(stream.id);
  return true;
}

void ServerSession::finish(Stream& stream, int status, std::string_view message) {
  if (stream.ended) return;
  stream.ended = true;
  loop_.cancel(stream.deadline);
  count_complete(stream);
  const std::string number = std::to_string(status);
  const std::string text = percent_encode(message);
  if (stream.submitted) {
    stream.source.trailers.emplace_back("grpc-status", number);
    if (!text.empty()) stream.source.trailers.emplace_back("grpc-message", text);
    stream.source.ended = true;
    resume(stream.id);
    return;
  }
  std::vector<HeaderField> headers{kStatus200, kContentType, {"grpc-status", number}};
  if (!text.empty()) headers.push_back({"grpc-message", text});
  stream.submitted = submit_response(stream.id, headers, nullptr);
}

void ServerSession::refuse(Stream& stream, int status, std::string_view message) {
  release_request(stream);
  finish(stream, status, message);
}

void ServerSession::refuse_http(Stream& stream, std::string_view http_status) {
  stream.ended = true;
  count_complete(stream);
  stream.submitted = submit_response(stream.id, {{":status", http_status}}, nullptr);
}

// --- Ends.

void ServerSession::tell_closed(Stream& stream) {
  if (stream.tell_closed) events_.push_back(std::exchange(stream.tell_closed, nullptr));
  stream.tell_drained = nullptr;
}

void ServerSession::drop_waiting(Stream& stream) {
  if (stream.source.box.waiting() == 0) return;
  dropped_ += stream.source.box.waiting();
  stream.source.box.clear();
  stream.cut = true;
}

void ServerSession::close(Stream& stream) {
  if (stream.closed) return;
  stream.closed = true;
  loop_.cancel(stream.deadline);
  count_complete(stream);
  release_request(stream);
  drop_waiting(stream);
  tell_closed(stream);
}

void ServerSession::end() {
  for (const auto& [id, stream] : streams_) {
    if (!stream->open()) continue;
    tell_closed(*stream);
    finish(*stream, kUnavailable, "the server is going down");
  }
  go_away();
}

void ServerSession::lost() {
  // The streams stay where they are: nghttp2 has pointers to their sources.
  for (const auto& [id, stream] : streams_) close(*stream);
  ready_.clear();
}

void ServerSession::note_drained() {
  std::erase_if(undrained_, [this](const std::weak_ptr<Stream>& weak) {
    const StreamPtr stream = weak.lock();
    if (!stream || !stream->open()) return true;
    if (!stream->drained()) return false;
    stream->listed_undrained = false;
    if (stream->tell_drained) {
      events_.emplace_back([weak] {
        const StreamPtr target = weak.lock();
        if (!target || !target->open() || !target->tell_drained) return;
        const auto tell = target->tell_drained;  // it may set another
        tell();
      });
    }
    return true;
  });
}

bool ServerSession::peer_owes() const {
  return requests_ == 0 || incomplete_ > 0 || waiting() > 0 || unwritten() > 0;
}

ServerSession::Mark ServerSession::mark() const {
  // Control frames that get through are no progress of messages that don't.
  return {requests_, payload_moved(), waiting() > 0 ? 0 : total_written()};
}

// --- The stream as its owner sees it.

bool ServerSession::Stream::send(std::string message) {
  const auto session = session_.lock();
  if (!session || !open()) return false;
  if (source.box.waiting() >= kMaxMessageBytes) return false;
  if (session->waiting() + message.size() > kMaxWaitingBytes) return false;
  if (!session->push(*this, std::move(message))) return false;
  if (!listed_undrained) {
    listed_undrained = true;
    session->undrained_.push_back(std::static_pointer_cast<Stream>(session->find(id)));
  }
  session->changed();
  return open();
}

void ServerSession::Stream::finish(Status status) {
  tell_closed = nullptr;
  tell_drained = nullptr;
  const auto session = session_.lock();
  if (!session || !open()) return;
  if (status) {
    session->finish(*this, kOk, "");
  } else {
    session->finish(*this, grpc_of_code(status.error().code), status.error().to_string());
  }
  session->changed();
}

bool ServerSession::Stream::drained() const {
  if (source.box.waiting() > 0 || cut) return false;
  const auto session = session_.lock();
  return session && source.end_position <= session->total_written();
}

void ServerSession::Stream::on_closed(std::function<void()> callback) {
  if (open()) tell_closed = std::move(callback);
}

void ServerSession::Stream::on_drained(std::function<void()> callback) {
  if (open()) tell_drained = std::move(callback);
}

}  // namespace sluice::litegrpc
