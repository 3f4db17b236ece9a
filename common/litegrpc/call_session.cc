// SPDX-License-Identifier: Apache-2.0
#include "common/litegrpc/call_session.h"

#include "common/litegrpc/call.h"
#include "common/litegrpc/status.h"
#include "common/litegrpc/wire_status.h"

namespace sluice::litegrpc {
namespace {

constexpr std::size_t kMaxPeerMessage = 3 * kMaxEncodedMessage;
constexpr std::size_t kMaxShown = 200;

Error grpc_error(int status, std::string message) {
  Error error{code_of_grpc(status), Domain::kProtocol, status, std::move(message), {},
              Retry::kNever};
  if (error.code == Code::kUnavailable || error.code == Code::kTimeout) error.retry = Retry::kLater;
  return error;
}

}  // namespace

CallSession::CallSession(const std::string& method, std::string request, Duration deadline)
    : Session(Role::kClient, 1), answer_(kMaxAnswerBytes) {
  source_.box.push(std::move(request));
  source_.ended = true;
  const std::string timeout = format_timeout(deadline);
  const std::vector<HeaderField> headers{{":method", "POST"},
                                         {":scheme", "http"},
                                         {":path", method},
                                         {":authority", "localhost"},
                                         {"te", "trailers"},
                                         {"grpc-timeout", timeout},
                                         {"content-type", "application/grpc"},
                                         {"user-agent", "sluice"}};
  if (!submit_request(headers, source_, stream_)) {
    conclude_failed(kInternal, "the request was not taken by the HTTP/2 library");
  }
}

void CallSession::on_header(std::int32_t, HeaderField field) {
  if (field.name == ":status") {
    http_status_ = field.value.substr(0, kMaxShown);
  } else if (field.name == "grpc-status") {
    status_ = parse_status(field.value);
  } else if (field.name == "grpc-message") {
    status_message_ = percent_decode(field.value.substr(0, kMaxPeerMessage));
  }
}

void CallSession::on_headers_end(std::int32_t) {}

void CallSession::on_data(std::int32_t, std::string_view bytes) {
  if (outcome_ || http_status_ != "200") return;
  switch (answer_.feed(bytes)) {
    case MessageReader::Problem::kNone:
      return;
    case MessageReader::Problem::kTooLarge:
      outcome_ = fail(Error{Code::kInvalid,
                            Domain::kProtocol,
                            kResourceExhausted,
                            "the answer has " + std::to_string(answer_.announced()) +
                                " bytes; allowed are " + std::to_string(kMaxAnswerBytes),
                            {},
                            Retry::kNever});
      return;
    case MessageReader::Problem::kCompressed:
      return conclude_failed(kInternal, "the answer is compressed, which was not asked for");
    case MessageReader::Problem::kBadFlag:
      return conclude_failed(kInternal, "the answer's compression flag is neither 0 nor 1");
    case MessageReader::Problem::kSecond:
      return conclude_failed(kUnimplemented, "the answer has more than one message");
  }
}

void CallSession::on_remote_end(std::int32_t) {
  if (outcome_) return;
  if (!status_) {
    const bool http_ok = http_status_ == "200";
    return conclude_failed(
        http_ok ? static_cast<int>(kUnknown) : status_of_http(http_status_),
        http_ok ? "the answer has no grpc-status"
                : "the answer is HTTP status " + http_status_ + " without a grpc-status");
  }
  if (*status_ != kOk) {
    return conclude_failed(*status_, status_message_.empty() ? "the peer answered grpc-status " +
                                                                   std::to_string(*status_)
                                                             : status_message_);
  }
  if (!answer_.whole()) {
    return conclude_failed(kInternal, answer_.empty() ? "the answer is OK without a message"
                                                      : "the answer's message is cut short");
  }
  outcome_ = answer_.take();
}

void CallSession::on_stream_closed(std::int32_t, std::uint32_t error_code) {
  if (outcome_) return;
  conclude_failed(status_of_reset(error_code),
                  "the peer reset the call with HTTP/2 error code " + std::to_string(error_code));
}

void CallSession::conclude_failed(int status, std::string message) {
  outcome_ = fail(grpc_error(status, std::move(message)));
}

}  // namespace sluice::litegrpc
