// SPDX-License-Identifier: Apache-2.0
#include "common/litegrpc/call.h"

#include <sys/socket.h>

#include <cerrno>
#include <optional>

#include "common/litegrpc/call_session.h"
#include "common/litegrpc/connection.h"
#include "common/os/unix_address.h"

namespace sluice::litegrpc {
namespace {

// poll() doesn't report when a listener's full queue has room again.
constexpr Duration kConnectAgain = std::chrono::milliseconds(10);

class CallConnection final : public Connection {
 public:
  CallConnection(os::EventLoop& loop, std::string socket, std::string method, std::string request,
                 Duration deadline, Call::Done done)
      : Connection(loop),
        socket_(std::move(socket)),
        method_(std::move(method)),
        session_(method_, std::move(request), deadline),
        deadline_(deadline),
        done_(std::move(done)) {}
  ~CallConnection() override { cancel(); }

  void start();
  void cancel() {
    done_ = nullptr;
    stop();
  }

 private:
  Session& session() override { return session_; }
  void settle() override;
  bool unsettled() override { return done_ && session_.outcome(); }
  void on_lost(const std::string& problem) override;

  void connect();
  Result<os::UniqueFd> connected(const sockaddr_un& address) const;
  void fail_later(Error error);
  void expire();
  void stop() {
    loop_.cancel(timer_);
    loop_.cancel(again_);
    close();
  }

  const std::string socket_;
  const std::string method_;
  CallSession session_;
  const Duration deadline_;
  Call::Done done_;
  os::EventLoop::TimerId timer_ = 0;
  os::EventLoop::TimerId again_ = 0;
};

void CallConnection::start() {
  timer_ = loop_.after(deadline_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) static_cast<CallConnection&>(*self).expire();
  });
  connect();
}

// Without a descriptor when the listener's queue is full.
Result<os::UniqueFd> CallConnection::connected(const sockaddr_un& address) const {
  os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "make a unix socket");
  while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN) return os::UniqueFd();
    Error why = errno_error(error, "connect to " + socket_);
    if (error == ENOENT || error == ECONNREFUSED) {
      why.code = Code::kUnavailable;
      why.retry = Retry::kLater;
    }
    return fail(std::move(why));
  }
  return fd;
}

void CallConnection::connect() {
  const auto address = os::unix_address(socket_);
  if (!address) return fail_later(address.error());
  auto fd = connected(*address);
  if (!fd) return fail_later(std::move(fd).error());
  if (!*fd) {
    again_ = loop_.after(kConnectAgain, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) static_cast<CallConnection&>(*self).connect();
    });
    return;
  }
  if (auto opened = open(std::move(*fd)); !opened) return fail_later(std::move(opened).error());
  flush();
}

void CallConnection::fail_later(Error error) {
  if (!session_.outcome()) session_.outcome() = fail(std::move(error));
  post_turn();
}

void CallConnection::expire() {
  const auto self = shared_from_this();
  if (!session_.outcome()) {
    Error error = errno_error(ETIMEDOUT, "wait for the answer");
    error.code = Code::kTimeout;
    error.retry = Retry::kLater;
    session_.outcome() = fail(std::move(error));
  }
  turn();
}

void CallConnection::on_lost(const std::string& problem) {
  if (session_.outcome()) return;
  session_.outcome() = fail(Error{Code::kUnavailable,
                                  Domain::kProtocol,
                                  0,
                                  "the connection ended before the answer was whole: " +
                                      (problem.empty() ? "the peer ended it" : problem),
                                  {},
                                  Retry::kLater});
}

void CallConnection::settle() {
  if (!unsettled()) return;
  stop();
  auto result = std::move(*session_.outcome());
  if (!result) result.error().context.push_back("calling " + method_ + " on " + socket_);
  const auto done = std::exchange(done_, nullptr);
  done(std::move(result));  // last: it may destroy the call
}

class SocketCall final : public Call {
 public:
  explicit SocketCall(std::shared_ptr<CallConnection> connection)
      : connection_(std::move(connection)) {}
  ~SocketCall() override { connection_->cancel(); }

 private:
  std::shared_ptr<CallConnection> connection_;  // shared with callbacks that run right now
};

}  // namespace

std::unique_ptr<Call> Call::start(os::EventLoop& loop, const std::string& socket,
                                  const std::string& method, std::string request, Duration deadline,
                                  Done done) {
  auto connection = std::make_shared<CallConnection>(loop, socket, method, std::move(request),
                                                     deadline, std::move(done));
  connection->start();
  return std::make_unique<SocketCall>(std::move(connection));
}

}  // namespace sluice::litegrpc
