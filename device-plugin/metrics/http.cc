// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/metrics/http.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <map>
#include <thread>
#include <utility>

#include "common/os/event_loop.h"
#include "common/os/unique_fd.h"
#include "device-plugin/metrics/http_request.h"

namespace sluice::metrics {
namespace {

constexpr int kBacklog = 16;

struct Address {
  std::string host;  // "": every address
  std::string port;
};

Result<Address> split(const std::string& listen) {
  const auto wrong = [&] {
    return fail(Code::kInvalid, "listen address '" + listen.substr(0, 200) +
                                    "': must be an address and a port, as in 127.0.0.1:9402, "
                                    "[::1]:9402 or :9402");
  };
  const auto colon = listen.rfind(':');
  if (colon == std::string::npos) return wrong();
  Address out{listen.substr(0, colon), listen.substr(colon + 1)};
  std::uint16_t number = 0;
  const char* end = out.port.data() + out.port.size();
  const auto parsed = std::from_chars(out.port.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return wrong();
  if (!out.host.empty() && out.host.front() == '[') {
    if (out.host.back() != ']' || out.host.size() < 3) return wrong();
    out.host = out.host.substr(1, out.host.size() - 2);
  } else if (out.host.find(':') != std::string::npos) {
    return wrong();  // IPv6 without brackets: which ':' is the port's?
  }
  return out;
}

Result<os::UniqueFd> bind_and_listen(const addrinfo& info, const std::string& listen) {
  os::UniqueFd fd(
      ::socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, info.ai_protocol));
  if (!fd) return fail_errno(errno, "make a socket for " + listen);
  const int on = 1, off = 0;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (info.ai_family == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(fd.get(), info.ai_addr, info.ai_addrlen) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return fail_errno(errno, "listen on " + listen);
  }
  return fd;
}

Result<os::UniqueFd> open_listener(const std::string& listen) {
  SLUICE_TRY(const auto address, split(listen));
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string host = address.host.empty() ? "::" : address.host;
  const int error = ::getaddrinfo(host.c_str(), address.port.c_str(), &hints, &found);
  if (error != 0) {
    return fail(Code::kInvalid, "listen address '" + listen.substr(0, 200) +
                                    "': must be numeric: " + ::gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, &::freeaddrinfo);
  auto fd = bind_and_listen(*found, listen);
  if (fd || !address.host.empty() || fd.error().native == EADDRINUSE) return fd;
  // Every address, on a machine without IPv6.
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = reinterpret_cast<const sockaddr_in6*>(found->ai_addr)->sin6_port;
  addrinfo info{};
  info.ai_family = AF_INET;
  info.ai_addr = reinterpret_cast<sockaddr*>(&any);
  info.ai_addrlen = sizeof any;
  return bind_and_listen(info, listen);
}

Result<std::uint16_t> port_of(int fd) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) {
    return fail_errno(errno, "ask a socket for its port");
  }
  return ntohs(own.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&own)->sin6_port
                                         : reinterpret_cast<sockaddr_in*>(&own)->sin_port);
}

class Server final : public HttpServer {
 public:
  Server(std::unique_ptr<os::EventLoop> loop, os::UniqueFd listener, std::uint16_t port,
         HttpContent content, Duration deadline, Logger log)
      : loop_(std::move(loop)),
        listener_(std::move(listener)),
        port_(port),
        content_(std::move(content)),
        deadline_(deadline),
        log_(std::move(log)) {}
  ~Server() override {
    loop_->stop();
    if (thread_.joinable()) thread_.join();
  }

  Status run() {
    SLUICE_CHECK_OK(loop_->watch(listener_.get(), [this] { accept_one(); }));
    thread_ = std::thread([this] { loop_->run(); });
    return {};
  }
  std::uint16_t port() const override { return port_; }

 private:
  struct Connection {
    os::UniqueFd fd;
    std::string in, out;
    bool answered = false;
    bool ended = false;  // the other side sends no more
    os::EventLoop::TimerId deadline = 0;
  };

  void accept_one();
  void readable(int fd);
  void writable(int fd);
  void discard(int fd, Connection& connection);
  void close(int fd);

  std::unique_ptr<os::EventLoop> loop_;
  os::UniqueFd listener_;
  std::uint16_t port_;
  HttpContent content_;
  Duration deadline_;
  Logger log_;
  std::map<int, Connection> connections_;
  std::thread thread_;
};

void Server::accept_one() {
  os::UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    if (errno != EMFILE && errno != ENFILE) return;
    // It stays in the queue and would wake the loop for ever: out of sight until others are done.
    log_.warn("out of descriptors; no new connections for a while");
    loop_->unwatch(listener_.get());
    loop_->after(std::chrono::seconds(1), [this] {
      if (!loop_->watch(listener_.get(), [this] { accept_one(); })) {
        log_.error("the metrics' socket can't be watched any more");
      }
    });
    return;
  }
  if (connections_.size() >= kMaxConnections) return;
  const int raw = fd.get();
  const int on = 1;
  ::setsockopt(raw, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!loop_->watch(raw, [this, raw] { readable(raw); })) return;
  auto& connection = connections_[raw];
  connection.fd = std::move(fd);
  connection.deadline = loop_->after(deadline_, [this, raw] { close(raw); });
}

void Server::readable(int fd) {
  auto& connection = connections_.at(fd);
  if (connection.answered) {
    discard(fd, connection);
    return;
  }
  char buffer[2048];
  const auto got = ::read(fd, buffer, sizeof buffer);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    close(fd);
    return;
  }
  connection.in.append(buffer, static_cast<std::size_t>(got));
  auto answer = answer_to(connection.in, content_);
  if (!answer) return;
  connection.answered = true;
  connection.in.clear();
  connection.out = std::move(*answer);
  writable(fd);
}

// Closing with unread bytes would reset the connection, and the other side would lose its answer.
void Server::discard(int fd, Connection& connection) {
  char buffer[2048];
  const auto got = ::read(fd, buffer, sizeof buffer);
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return;
  connection.ended = true;
  if (got < 0 || connection.out.empty()) {
    close(fd);
    return;
  }
  // The end stays readable and would wake the loop for ever; only the way out is of interest now.
  loop_->unwatch(fd);
  if (!loop_->watch_writable(fd, [this, fd] { writable(fd); })) close(fd);
}

void Server::writable(int fd) {
  auto& connection = connections_.at(fd);
  while (!connection.out.empty()) {
    const auto put =
        ::send(fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) {
      if (!loop_->watch_writable(fd, [this, fd] { writable(fd); })) close(fd);
      return;
    }
    if (put < 0) {
      close(fd);
      return;
    }
    connection.out.erase(0, static_cast<std::size_t>(put));
  }
  if (connection.ended) {
    close(fd);
    return;
  }
  // The other side closes when it has seen our end; the deadline takes care of one that doesn't.
  loop_->unwatch_writable(fd);
  ::shutdown(fd, SHUT_WR);
}

void Server::close(int fd) {
  const auto found = connections_.find(fd);
  if (found == connections_.end()) return;
  loop_->cancel(found->second.deadline);
  loop_->unwatch(fd);
  connections_.erase(found);
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::string& listen,
                                                      HttpContent content, Logger log,
                                                      Duration deadline) {
  SLUICE_TRY(auto listener, open_listener(listen));
  SLUICE_TRY(const auto port, port_of(listener.get()));
  SLUICE_TRY(auto loop, os::EventLoop::create());
  auto server = std::make_unique<Server>(std::move(loop), std::move(listener), port,
                                         std::move(content), deadline, std::move(log));
  SLUICE_CHECK_OK(server->run());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace sluice::metrics
