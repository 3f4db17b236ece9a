// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/transport.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace sluice::netlink {
namespace {

// The kernel fills dumps up to 32 KiB a datagram; single answers are smaller, and one about a PF's
// VFs, without their counters, is under 256 bytes a VF.
constexpr std::size_t kBufferBytes = std::size_t{256} << 10U;

Error protocol_error(std::string_view what, const char* reason) {
  return Error{Code::kInternal, Domain::kProtocol, 0, std::string(what) + ": " + reason, {},
               Retry::kLater};
}

Status check_complete(const MessageWriter& message, std::string_view what) {
  if (!message.overflow()) return {};
  return fail(Code::kInvalid, std::string(what) + ": a value is longer than an attribute can be");
}

void enable(int fd, int option) {
  const int on = 1;
  // Old kernels lack some: then errors have less text, dumps less filtering. Nothing breaks.
  (void)::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
}

}  // namespace

Transport::Transport(os::UniqueFd fd) : fd_(std::move(fd)), buffer_(kBufferBytes) {}

Result<Transport> Transport::open(int protocol) {
  os::UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) return fail_errno(errno, "make a netlink socket");
  enable(fd.get(), NETLINK_EXT_ACK);
  enable(fd.get(), NETLINK_CAP_ACK);
  enable(fd.get(), NETLINK_GET_STRICT_CHK);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno(errno, "bind a netlink socket");
  }
  return Transport(std::move(fd));
}

Status Transport::send(MessageWriter& message, std::string_view what) {
  SLUICE_CHECK_OK(check_complete(message, what));
  message.set_sequence(++sequence_);
  return send_bytes(message.bytes(), what);
}

Status Transport::send_bytes(Bytes bytes, std::string_view what) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  while (::sendto(fd_.get(), bytes.data(), bytes.size(), 0,
                  reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
    if (errno != EINTR) return fail_errno(errno, std::string(what) + ": send to the kernel");
  }
  return {};
}

Result<std::size_t> Transport::receive(std::string_view what, TimePoint end) {
  while (true) {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    const auto got = ::recvfrom(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC,
                                reinterpret_cast<sockaddr*>(&from), &from_size);
    if (got >= 0) {
      if (from.nl_pid != 0) continue;  // another process, not the kernel
      const auto size = static_cast<std::size_t>(got);
      if (size > buffer_.size()) return fail(protocol_error(what, "the answer is too large"));
      return size;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return fail_errno(errno, std::string(what) + ": receive from the kernel");
    const Duration left = end - clock_.now();
    if (left <= Duration::zero()) {
      Error error = errno_error(ETIMEDOUT, std::string(what) + ": no answer from the kernel");
      error.retry = Retry::kLater;
      return fail(std::move(error));
    }
    pollfd entry{fd_.get(), POLLIN, 0};
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    if (::poll(&entry, 1, static_cast<int>(wait)) < 0 && errno != EINTR) {
      return fail_errno(errno, std::string(what) + ": wait for the kernel");
    }
  }
}

Result<bool> Transport::collect(const MessageWriter& message, std::string_view what,
                                std::vector<Reply>& replies) {
  const TimePoint end = clock_.now() + kDeadline;
  bool inconsistent = false;
  std::size_t total = 0;
  while (true) {
    SLUICE_TRY(const auto size, receive(what, end));
    MessageReader reader(Bytes(buffer_).first(size));
    for (Message part; reader.next(part);) {
      if (part.sequence != sequence_) continue;  // a late answer to an earlier request
      inconsistent = inconsistent || (part.flags & NLM_F_DUMP_INTR) != 0;
      if (part.type == NLMSG_ERROR || part.type == NLMSG_DONE) {
        SLUICE_TRY(const auto ack, decode_ack(part));
        if (ack.number != 0) return fail(ack_error(ack, what, message.bytes()));
        return inconsistent;
      }
      if (part.type == NLMSG_NOOP || part.type == NLMSG_OVERRUN) continue;
      total += part.payload.size();
      if (total > kMaxReplyBytes) return fail(protocol_error(what, "the answer has no end"));
      replies.push_back(Reply{part.type, {part.payload.begin(), part.payload.end()}});
    }
    if (reader.malformed()) return fail(protocol_error(what, "the answer is malformed"));
  }
}

Result<std::vector<Reply>> Transport::request(MessageWriter& message, std::string_view what) {
  message.add_flags(NLM_F_REQUEST | NLM_F_ACK);
  std::vector<Reply> replies;
  SLUICE_CHECK_OK(send(message, what));
  SLUICE_TRY([[maybe_unused]] const bool inconsistent, collect(message, what, replies));
  return replies;
}

Result<std::vector<Reply>> Transport::dump(MessageWriter& message, std::string_view what) {
  message.add_flags(NLM_F_REQUEST | NLM_F_DUMP);
  constexpr int kTries = 20;
  for (int i = 0; i < kTries; ++i) {
    std::vector<Reply> replies;
    SLUICE_CHECK_OK(send(message, what));
    SLUICE_TRY(const bool inconsistent, collect(message, what, replies));
    if (!inconsistent) return replies;
  }
  return fail(Error{Code::kUnavailable,
                    Domain::kKernel,
                    EINTR,
                    std::string(what) + ": it changed during each of " + std::to_string(kTries) +
                        " tries to read it",
                    {},
                    Retry::kLater});
}

Result<std::vector<Status>> Transport::batch(std::vector<BatchRequest> requests) {
  std::vector<Status> outcomes(requests.size());
  const std::span<BatchRequest> all(requests);
  const std::span<Status> results(outcomes);
  for (std::size_t at = 0; at < all.size(); at += kMaxBatch) {
    const auto count = std::min(kMaxBatch, all.size() - at);
    SLUICE_CHECK_OK(send_batch(all.subspan(at, count), results.subspan(at, count)));
  }
  return outcomes;
}

Status Transport::send_batch(std::span<BatchRequest> requests, std::span<Status> outcomes) {
  const std::uint32_t first = sequence_ + 1;
  std::vector<std::uint8_t> bytes;
  for (auto& [message, what] : requests) {
    SLUICE_CHECK_OK(check_complete(message, what));
    message.add_flags(NLM_F_REQUEST | NLM_F_ACK);
    message.set_sequence(++sequence_);
    // A message ends aligned, so the next one may follow.
    bytes.insert(bytes.end(), message.bytes().begin(), message.bytes().end());
  }
  const std::string& what = requests.front().what;
  SLUICE_CHECK_OK(send_bytes(bytes, what));
  const TimePoint end = clock_.now() + kDeadline;
  for (std::size_t answered = 0; answered < requests.size();) {
    SLUICE_TRY(const auto size, receive(what, end));
    MessageReader reader(Bytes(buffer_).first(size));
    for (Message part; reader.next(part);) {
      const std::uint32_t at = part.sequence - first;  // wraps: not ours is large
      if (part.type != NLMSG_ERROR || at >= requests.size()) continue;
      SLUICE_TRY(const auto ack, decode_ack(part));
      ++answered;
      const auto& request = requests[at];
      if (ack.number == 0) continue;
      outcomes[at] = fail(ack_error(ack, request.what, request.message.bytes()));
    }
    if (reader.malformed()) return fail(protocol_error(what, "the answer is malformed"));
  }
  return {};
}

}  // namespace sluice::netlink
