// SPDX-License-Identifier: Apache-2.0
// The client's half of frame_socket.h.
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <thread>

#include "common/os/frame_socket.h"
#include "common/os/unique_fd.h"
#include "common/os/unix_address.h"

namespace sluice::os {
namespace {

class Call {
 public:
  Call(const std::string& path, Duration deadline)
      : path_(path),
        // Bounded, so that "for ever" can't overflow the clock.
        end_(clock_.now() + std::min<Duration>(deadline, std::chrono::hours(24))) {}

  Status connect();
  Status send(std::string_view bytes);
  Status receive(char* into, std::size_t size);

 private:
  Status wait(short events);
  Error timeout() const {
    Error error = errno_error(ETIMEDOUT, "call " + path_);
    error.retry = Retry::kLater;
    return error;
  }

  std::string path_;
  SteadyClock clock_;
  TimePoint end_;
  UniqueFd fd_;
};

Status Call::wait(short events) {
  while (true) {
    const Duration left = end_ - clock_.now();
    if (left <= Duration::zero()) return fail(timeout());
    pollfd entry{fd_.get(), events, 0};
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    const int ready = ::poll(&entry, 1, static_cast<int>(wait));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "wait for " + path_);
  }
}

Status Call::connect() {
  SLUICE_TRY(const auto address, unix_address(path_));
  fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) return fail_errno(errno, "make a unix socket");
  while (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      // The listener's queue is full. poll() doesn't report when it has room again.
      if (clock_.now() >= end_) return fail(timeout());
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    Error error = errno_error(errno, "connect to " + path_);
    if (errno == ENOENT || errno == ECONNREFUSED) {
      error.code = Code::kUnavailable;
      error.retry = Retry::kLater;
    }
    return fail(std::move(error));
  }
  return {};
}

Status Call::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(put));
    } else if (errno == EAGAIN) {
      SLUICE_CHECK_OK(wait(POLLOUT));
    } else if (errno != EINTR) {
      return fail_errno(errno, "send to " + path_);
    }
  }
  return {};
}

Status Call::receive(char* into, std::size_t size) {
  while (size > 0) {
    const auto got = ::recv(fd_.get(), into, size, 0);
    if (got > 0) {
      into += got;
      size -= static_cast<std::size_t>(got);
    } else if (got == 0) {
      return fail(Error{Code::kUnavailable,
                        Domain::kProtocol,
                        0,
                        path_ + " closed the connection before its answer was whole",
                        {},
                        Retry::kLater});
    } else if (errno == EAGAIN) {
      SLUICE_CHECK_OK(wait(POLLIN));
    } else if (errno != EINTR) {
      return fail_errno(errno, "receive from " + path_);
    }
  }
  return {};
}

}  // namespace

Result<std::string> frame_call(const std::string& path, std::string_view request,
                               Duration deadline) {
  if (request.size() > kMaxRequestBytes) {
    return fail(Code::kInvalid, "request has " + std::to_string(request.size()) +
                                    " bytes; allowed are " + std::to_string(kMaxRequestBytes));
  }
  Call call(path, deadline);
  SLUICE_CHECK_OK(call.connect());
  const auto length = static_cast<std::uint32_t>(request.size());
  std::string frame;
  frame.reserve(4 + request.size());
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    frame += static_cast<char>(length >> shift & 0xffU);
  }
  frame += request;
  SLUICE_CHECK_OK(call.send(frame));

  std::array<char, 4> header{};
  SLUICE_CHECK_OK(call.receive(header.data(), header.size()));
  std::size_t size = 0;
  for (const char c : header) size = size << 8U | static_cast<unsigned char>(c);
  if (size > kMaxFrameBytes) {
    return fail(Error{Code::kInvalid,
                      Domain::kProtocol,
                      0,
                      path + " announces an answer of " + std::to_string(size) +
                          " bytes; allowed are " + std::to_string(kMaxFrameBytes),
                      {},
                      Retry::kNever});
  }
  // Grown as it arrives: the announced length alone must not cost memory.
  constexpr std::size_t kStep = std::size_t{1} << 20U;
  std::string answer;
  while (answer.size() < size) {
    const std::size_t at = answer.size();
    answer.resize(at + std::min(kStep, size - at));
    SLUICE_CHECK_OK(call.receive(answer.data() + at, answer.size() - at));
  }
  return answer;
}

}  // namespace sluice::os
