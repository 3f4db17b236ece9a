// SPDX-License-Identifier: Apache-2.0
// The server's half of frame_socket.h.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "common/os/files.h"
#include "common/os/frame_socket.h"
#include "common/os/unique_fd.h"
#include "common/os/unix_address.h"

namespace sluice::os {
namespace {

constexpr std::size_t kHeaderBytes = 4;

std::string with_header(std::string_view body) {
  const auto length = static_cast<std::uint32_t>(body.size());
  std::string frame;
  frame.reserve(kHeaderBytes + body.size());
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    frame += static_cast<char>(length >> shift & 0xffU);
  }
  frame += body;
  return frame;
}

std::size_t length_of(std::string_view header) {
  std::size_t length = 0;
  for (const char c : header.substr(0, kHeaderBytes)) {
    length = length << 8U | static_cast<unsigned char>(c);
  }
  return length;
}

// One connection is in one of three states, so that it never holds more than one frame each way:
// reading a request, waiting for its reply (nothing watched), writing the answer.
struct Connection {
  UniqueFd fd;
  std::string in;
  std::string out;
  std::size_t written = 0;
  bool waiting = false;
  std::uint64_t request = 0;  // which request a reply belongs to
  EventLoop::TimerId stall = 0;
};

class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(EventLoop& loop, FrameServer::Handler handler, FrameLimits limits)
      : loop_(loop), handler_(std::move(handler)), limits_(limits) {}

  Status start(const std::string& path, unsigned mode);
  void close();

 private:
  using Id = std::uint64_t;

  Status bind_to(const std::string& path, unsigned mode);
  Status watch_listener();
  void accept_all();
  void add(UniqueFd fd);
  void drop(Id id);
  void restart_stall(Id id, Connection& connection);
  void read_from(Id id);
  void answer(Id id, std::uint64_t request, std::string body);
  void write_to(Id id);

  EventLoop& loop_;
  FrameServer::Handler handler_;
  FrameLimits limits_;
  std::string path_;
  ino_t inode_ = 0;
  UniqueFd listener_;
  EventLoop::TimerId accept_pause_ = 0;
  Id next_id_ = 1;
  std::map<Id, Connection> connections_;
};

Status Core::bind_to(const std::string& path, unsigned mode) {
  SLUICE_TRY(const auto address, unix_address(path));
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  struct stat info {};
  bool stale = false;
  if (::lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) {
      return fail(Code::kExists, "file " + path + " is there and is not a socket");
    }
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const bool answered = ::connect(probe.get(), raw, sizeof address) == 0;
    if (answered || (errno != ECONNREFUSED && errno != ENOENT)) {
      return fail(Code::kExists, "socket " + path + " has a live server");
    }
    stale = true;
  }
  // Over a dead server's file in one step: whoever looks finds a socket at every moment.
  const std::string beside = path + ".new";
  auto made_at = address;
  if (stale) {
    SLUICE_TRY(made_at, unix_address(beside));
    SLUICE_CHECK_OK(remove_file(beside));
  }
  raw = reinterpret_cast<const sockaddr*>(&made_at);
  const std::string& made = stale ? beside : path;
  listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_) return fail_errno(errno, "make a unix socket");
  // The mode before bind: the socket is never open to more than it shall be. After it: umask.
  ::fchmod(listener_.get(), static_cast<mode_t>(mode));
  if (::bind(listener_.get(), raw, sizeof made_at) != 0) return fail_errno(errno, "bind " + made);
  path_ = made;
  if (::lstat(made.c_str(), &info) == 0) inode_ = info.st_ino;
  if (::chmod(made.c_str(), static_cast<mode_t>(mode)) != 0) {
    return fail_errno(errno, "chmod " + made);
  }
  if (::listen(listener_.get(), 128) != 0) return fail_errno(errno, "listen on " + made);
  if (stale && ::rename(made.c_str(), path.c_str()) != 0) {
    return fail_errno(errno, "rename " + made + " to " + path);
  }
  path_ = path;
  return {};
}

Status Core::start(const std::string& path, unsigned mode) {
  // Two servers that both find a stale file must not remove each other's fresh one.
  const std::string lock_path = path + ".lock";
  auto lock = FileLock::try_acquire(lock_path);
  if (!lock) {
    Error error = std::move(lock).error();
    if (error.code == Code::kPrecondition) error.code = Code::kExists;
    return fail(std::move(error).with("listening on " + path));
  }
  const auto status = bind_to(path, mode);
  ::unlink(lock_path.c_str());  // while it is held
  if (!status) return status;
  return watch_listener();
}

Status Core::watch_listener() {
  return loop_.watch(listener_.get(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->accept_all();
  });
}

void Core::close() {
  if (listener_) loop_.unwatch(listener_.get());
  loop_.cancel(accept_pause_);
  while (!connections_.empty()) drop(connections_.begin()->first);
  listener_.reset();
  struct stat info {};
  if (inode_ != 0 && ::lstat(path_.c_str(), &info) == 0 && info.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
  inode_ = 0;
}

void Core::accept_all() {
  while (listener_) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      if (connections_.size() < limits_.connections) add(std::move(fd));
      continue;  // else closed right here: refused
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return;
    // No descriptors left: the listener stays readable, so look away for a moment.
    loop_.unwatch(listener_.get());
    accept_pause_ = loop_.after(std::chrono::milliseconds(100), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->listener_) (void)self->watch_listener();
    });
    return;
  }
}

void Core::add(UniqueFd fd) {
  const Id id = next_id_++;
  const int raw = fd.get();
  Connection& connection = connections_[id];
  connection.fd = std::move(fd);
  const auto watched = loop_.watch(raw, [weak = weak_from_this(), id] {
    if (const auto self = weak.lock()) self->read_from(id);
  });
  if (!watched) {
    drop(id);
    return;
  }
  restart_stall(id, connection);
}

void Core::drop(Id id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  loop_.unwatch(found->second.fd.get());
  loop_.cancel(found->second.stall);
  connections_.erase(found);
}

void Core::restart_stall(Id id, Connection& connection) {
  loop_.cancel(connection.stall);
  connection.stall = loop_.after(limits_.stall, [weak = weak_from_this(), id] {
    if (const auto self = weak.lock()) self->drop(id);
  });
}

void Core::read_from(Id id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  std::array<char, 65536> chunk;
  while (true) {
    // Never more than this frame: what follows waits in the socket until this one is answered.
    const bool header = connection.in.size() < kHeaderBytes;
    const std::size_t wanted = header ? kHeaderBytes : kHeaderBytes + length_of(connection.in);
    if (!header && connection.in.size() == wanted) break;
    const std::size_t room = std::min(chunk.size(), wanted - connection.in.size());
    const auto got = ::recv(connection.fd.get(), chunk.data(), room, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return drop(id);
    connection.in.append(chunk.data(), static_cast<std::size_t>(got));
    if (connection.in.size() == kHeaderBytes && length_of(connection.in) > kMaxRequestBytes) {
      return drop(id);
    }
  }
  // A peer that sends the next request already must not keep the loop awake meanwhile.
  loop_.unwatch(connection.fd.get());
  loop_.cancel(connection.stall);
  connection.waiting = true;
  const std::uint64_t number = ++connection.request;
  std::string request = connection.in.substr(kHeaderBytes);
  connection.in.clear();
  // Last: the handler may answer at once, or close the server.
  handler_(std::move(request), [weak = weak_from_this(), id, number](std::string body) {
    if (const auto self = weak.lock()) self->answer(id, number, std::move(body));
  });
}

void Core::answer(Id id, std::uint64_t request, std::string body) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  if (!connection.waiting || connection.request != request) return;
  if (body.size() > kMaxFrameBytes) return drop(id);
  connection.waiting = false;
  connection.out = with_header(body);
  connection.written = 0;
  restart_stall(id, connection);
  write_to(id);
}

void Core::write_to(Id id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  const int fd = connection.fd.get();
  while (connection.written < connection.out.size()) {
    const auto put = ::send(fd, connection.out.data() + connection.written,
                            connection.out.size() - connection.written, MSG_NOSIGNAL);
    if (put >= 0) {
      connection.written += static_cast<std::size_t>(put);
      restart_stall(id, connection);
    } else if (errno == EAGAIN) {
      const auto watched = loop_.watch_writable(fd, [weak = weak_from_this(), id] {
        if (const auto self = weak.lock()) self->write_to(id);
      });
      if (!watched) drop(id);
      return;
    } else if (errno != EINTR) {
      return drop(id);
    }
  }
  connection.out = {};
  loop_.unwatch(fd);
  const auto watched = loop_.watch(fd, [weak = weak_from_this(), id] {
    if (const auto self = weak.lock()) self->read_from(id);
  });
  if (!watched) drop(id);
}

class Server final : public FrameServer {
 public:
  explicit Server(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~Server() override { core_->close(); }

 private:
  std::shared_ptr<Core> core_;  // shared with callbacks that run right now
};

}  // namespace

Result<std::unique_ptr<FrameServer>> FrameServer::listen(EventLoop& loop, const std::string& path,
                                                         Handler handler, unsigned mode,
                                                         FrameLimits limits) {
  auto core = std::make_shared<Core>(loop, std::move(handler), limits);
  auto server = std::make_unique<Server>(core);  // cleans up after a start that fails half-way
  SLUICE_CHECK_OK(core->start(path, mode));
  return std::unique_ptr<FrameServer>(std::move(server));
}

}  // namespace sluice::os
