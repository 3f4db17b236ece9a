// SPDX-License-Identifier: Apache-2.0
#include "tests/support/standin_kubelet/control.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "common/os/files.h"
#include "tests/support/standin_kubelet/control_ops.h"

namespace sluice::standin {
namespace {

constexpr std::size_t kMaxLine = 65536;

bool write_line(int fd, std::string line) {
  line += '\n';
  for (std::size_t at = 0; at < line.size();) {
    const auto put = ::send(fd, line.data() + at, line.size() - at, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    at += static_cast<std::size_t>(put);
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::listen(os::EventLoop& loop,
                                                             const std::string& path,
                                                             Kubelet& kubelet) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(Code::kInvalid, "--control " + path + " is longer than 107 characters");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "make a unix socket");
  SLUICE_CHECK_OK(os::remove_file(path));
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), 16) != 0) {
    return fail_errno(errno, "listen on " + path);
  }
  std::unique_ptr<ControlServer> server(new ControlServer(loop, path, std::move(fd), kubelet));
  SLUICE_CHECK_OK(loop.watch(server->fd_.get(), [s = server.get()] { s->accept_one(); }));
  return server;
}

ControlServer::ControlServer(os::EventLoop& loop, std::string path, os::UniqueFd fd,
                             Kubelet& kubelet)
    : loop_(loop), path_(std::move(path)), fd_(std::move(fd)), kubelet_(kubelet) {}

ControlServer::~ControlServer() {
  for (const auto& [fd, connection] : connections_) loop_.unwatch(fd);
  loop_.unwatch(fd_.get());
  std::ignore = os::remove_file(path_);
}

void ControlServer::accept_one() {
  // Blocking: answers are small, and whoever doesn't read them is a test's fault.
  os::UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd) return;
  const int number = fd.get();
  if (!loop_.watch(number, [this, number] { readable(number); })) return;
  connections_[number].fd = std::move(fd);
}

void ControlServer::readable(int fd) {
  auto& connection = connections_.at(fd);
  char chunk[4096];
  const auto got = ::recv(fd, chunk, sizeof chunk, 0);
  bool good = got > 0;
  if (good) connection.input.append(chunk, static_cast<std::size_t>(got));
  for (auto end = connection.input.find('\n'); good && end != std::string::npos;
       end = connection.input.find('\n')) {
    good = write_line(fd, answer(kubelet_, std::string_view(connection.input).substr(0, end)));
    connection.input.erase(0, end + 1);
  }
  if (good && connection.input.size() <= kMaxLine) return;
  loop_.unwatch(fd);
  connections_.erase(fd);
}

}  // namespace sluice::standin
