// SPDX-License-Identifier: Apache-2.0
// The client's end of a connection that is made for one unary call, without its socket.
#pragma once

#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/litegrpc/session.h"

namespace sluice::litegrpc {

class CallSession final : public Session {
 public:
  CallSession(const std::string& method, std::string request, Duration deadline);

  // Once there is one, the connection is of no more use.
  std::optional<Result<std::string>>& outcome() { return outcome_; }

 private:
  void on_header(std::int32_t stream, HeaderField field) override;
  void on_headers_end(std::int32_t stream) override;
  void on_data(std::int32_t stream, std::string_view bytes) override;
  void on_remote_end(std::int32_t stream) override;
  void on_stream_closed(std::int32_t stream, std::uint32_t error_code) override;
  void conclude_failed(int status, std::string message);

  std::int32_t stream_ = 0;
  Source source_;
  std::string http_status_;
  std::optional<int> status_;
  std::string status_message_;
  MessageReader answer_;
  std::optional<Result<std::string>> outcome_;
};

}  // namespace sluice::litegrpc
