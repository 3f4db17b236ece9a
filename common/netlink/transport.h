// SPDX-License-Identifier: Apache-2.0
// One netlink socket for requests: send, match the answers by sequence number, read the ACK.
//
// Contract: a request ends with the kernel's ACK, an Error that carries its extack, or kTimeout;
// late answers to an earlier request are dropped. A dump that the kernel marks as inconsistent
// (NLM_F_DUMP_INTR) is asked again.
// Threading: one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/netlink/attributes.h"
#include "common/netlink/message.h"
#include "common/os/unique_fd.h"

namespace sluice::netlink {

struct Reply {
  std::uint16_t type = 0;
  std::vector<std::uint8_t> payload;
  Message message() const { return Message{type, 0, 0, payload}; }
};

class Transport {
 public:
  // The kernel's slowest honest answers (many namespaces dying at once) take seconds.
  static constexpr Duration kDeadline = std::chrono::seconds(20);
  static constexpr std::size_t kMaxReplyBytes = std::size_t{256} << 20U;

  static Result<Transport> open(int protocol);

  // One request and whatever it is answered with before its ACK. `what` goes into errors.
  Result<std::vector<Reply>> request(MessageWriter& message, std::string_view what);
  Result<std::vector<Reply>> dump(MessageWriter& message, std::string_view what);

  // Requests that are answered by nothing but an ACK, in one send (kMaxBatch of them; more: in
  // several), and the outcome of each in their order. The kernel carries all of them out, also
  // those behind one that failed. An Error of the whole: the exchange itself broke, and what was
  // carried out is unknown.
  struct BatchRequest {
    MessageWriter message;
    std::string what;
  };
  // An ACK takes about 800 bytes of the receive buffer, and 208 KiB is the default size of that.
  static constexpr std::size_t kMaxBatch = 64;
  Result<std::vector<Status>> batch(std::vector<BatchRequest> requests);

 private:
  explicit Transport(os::UniqueFd fd);
  Status send(MessageWriter& message, std::string_view what);
  Status send_bytes(Bytes bytes, std::string_view what);
  Status send_batch(std::span<BatchRequest> requests, std::span<Status> outcomes);
  Result<std::size_t> receive(std::string_view what, TimePoint end);
  // True: inconsistent, ask again.
  Result<bool> collect(const MessageWriter& message, std::string_view what,
                       std::vector<Reply>& replies);

  os::UniqueFd fd_;
  SteadyClock clock_;
  std::uint32_t sequence_ = 0;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace sluice::netlink
