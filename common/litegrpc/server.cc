// SPDX-License-Identifier: Apache-2.0
#include "common/litegrpc/server.h"

#include <cerrno>

#include "common/litegrpc/connection.h"
#include "common/litegrpc/listener.h"
#include "common/litegrpc/server_session.h"

namespace sluice::litegrpc {
namespace {

// What the connections share with their server, and may outlive it with.
struct Shared {
  std::shared_ptr<const Methods> methods;
  std::shared_ptr<RequestBudget> budget;
  Logger log;
  ServerLimits limits;
};

class ServerConnection final : public Connection {
 public:
  ServerConnection(os::EventLoop& loop, const Shared& shared, std::function<void()> gone)
      : Connection(loop), log_(shared.log), stall_(shared.limits.stall), gone_(std::move(gone)) {
    session_ =
        std::make_shared<ServerSession>(loop, shared.methods, shared.budget, shared.limits.streams);
  }
  ~ServerConnection() override { loop_.cancel(timer_); }

  Status start(os::UniqueFd fd) {
    session_->on_changed([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->flush();
    });
    SLUICE_CHECK_OK(open(std::move(fd)));
    readable();  // most clients have said something by now
    return {};
  }

  void shut_down() {
    const auto self = shared_from_this();
    session_->end();
    write();
    close();
    session_->lost();
    session_->dispatch();
    loop_.cancel(timer_);
  }

 private:
  Session& session() override { return *session_; }
  void settle() override { session_->dispatch(); }
  bool unsettled() override {
    session_->note_drained();
    return session_->has_events();
  }
  void turned() override;
  void on_lost(const std::string& problem) override {
    log_.debug("connection ended", {{"reason", problem}});
    session_->lost();
  }
  void cut_off();

  Logger log_;
  Duration stall_;
  std::function<void()> gone_;
  std::shared_ptr<ServerSession> session_;
  os::EventLoop::TimerId timer_ = 0;
  ServerSession::Mark mark_;
};

void ServerConnection::turned() {
  if (!is_open()) {
    loop_.cancel(timer_);
    timer_ = 0;
    // Only when the streams' owners know: until then the server must be able to tell them.
    if (!session_->has_events()) gone_();
    return;
  }
  if (!session_->peer_owes()) {
    if (timer_ != 0) loop_.cancel(timer_);
    timer_ = 0;
    return;
  }
  const auto mark = session_->mark();
  if (timer_ != 0 && mark == mark_) return;
  mark_ = mark;
  if (timer_ != 0) loop_.cancel(timer_);
  timer_ = loop_.after(stall_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) static_cast<ServerConnection&>(*self).cut_off();
  });
}

void ServerConnection::cut_off() {
  timer_ = 0;
  log_.warn("peer cut off", {{"unsent_bytes", session_->waiting() + session_->unwritten()}});
  fail_with("the peer kept us waiting");
  turn();
}

class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(os::EventLoop& loop, Listener listener, Shared shared)
      : loop_(loop), listener_(std::move(listener)), shared_(std::move(shared)) {}

  Status watch() {
    return loop_.watch(listener_.fd(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->accept_all();
    });
  }
  void close();
  Server::SocketState socket_state() const { return listener_.state(); }

 private:
  using Id = std::uint64_t;

  void accept_all();
  void add(os::UniqueFd fd);

  os::EventLoop& loop_;
  Listener listener_;
  Shared shared_;
  os::EventLoop::TimerId accept_pause_ = 0;
  Id next_id_ = 1;
  std::map<Id, std::shared_ptr<ServerConnection>> connections_;
};

void Core::close() {
  if (listener_.is_open()) loop_.unwatch(listener_.fd());
  loop_.cancel(accept_pause_);
  listener_.close();
  const auto connections = std::move(connections_);
  connections_.clear();
  for (const auto& [id, connection] : connections) connection->shut_down();
}

void Core::accept_all() {
  const auto self = shared_from_this();  // a method may close the server
  while (listener_.is_open()) {
    os::UniqueFd fd = listener_.accept();
    if (fd) {
      add(std::move(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return;
    shared_.log.warn("no connection accepted", {{"error", errno_error(errno, "accept")}});
    // No descriptors left: the listener stays readable, so look away for a moment.
    loop_.unwatch(listener_.fd());
    accept_pause_ = loop_.after(std::chrono::milliseconds(100), [weak = weak_from_this()] {
      const auto core = weak.lock();
      if (core && core->listener_.is_open()) (void)core->watch();
    });
    return;
  }
}

void Core::add(os::UniqueFd fd) {
  if (connections_.size() >= shared_.limits.connections) {
    shared_.log.warn("connection refused", {{"connections", connections_.size()}});
    return;
  }
  const Id id = next_id_++;
  const auto connection =
      std::make_shared<ServerConnection>(loop_, shared_, [weak = weak_from_this(), id] {
        if (const auto self = weak.lock()) self->connections_.erase(id);
      });
  connections_[id] = connection;
  if (const auto started = connection->start(std::move(fd)); !started) {
    shared_.log.warn("connection refused", {{"error", started.error()}});
    connections_.erase(id);
  }
}

class LiteServer final : public Server {
 public:
  explicit LiteServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~LiteServer() override { core_->close(); }
  SocketState socket_state() const override { return core_->socket_state(); }

 private:
  std::shared_ptr<Core> core_;  // shared with callbacks that run right now
};

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(os::EventLoop& loop, const std::string& path,
                                               Methods methods, Logger log, unsigned mode,
                                               ServerLimits limits) {
  SLUICE_TRY(auto listener, Listener::bind(path, mode));
  auto core =
      std::make_shared<Core>(loop, std::move(listener),
                             Shared{std::make_shared<const Methods>(std::move(methods)),
                                    std::make_shared<RequestBudget>(), std::move(log), limits});
  SLUICE_CHECK_OK(core->watch());
  return std::unique_ptr<Server>(std::make_unique<LiteServer>(std::move(core)));
}

}  // namespace sluice::litegrpc
