// SPDX-License-Identifier: Apache-2.0
#include "common/litegrpc/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/os/files.h"
#include "common/os/unix_address.h"

namespace sluice::litegrpc {
namespace {

constexpr int kBacklog = 128;

Status remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) {
    return fail(Code::kExists, "file " + path + " is there and is not a socket");
  }
  const os::UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail_errno(errno, "make a unix socket");
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(probe.get(), raw, sizeof address) == 0 ||
      (errno != ECONNREFUSED && errno != ENOENT)) {
    return fail(Code::kExists, "socket " + path + " has a live server");
  }
  return os::remove_file(path);
}

// Hidden: whoever watches the folder for sockets, as the kubelet does, passes over such names.
std::string lock_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(0, name) + "." + path.substr(name) + ".lock";
}

}  // namespace

Result<Listener> Listener::bind(const std::string& path, unsigned mode) {
  SLUICE_TRY(const auto address, os::unix_address(path));
  // Two servers that both find a dead one's file must not remove each other's fresh one.
  auto lock = os::FileLock::try_acquire(lock_path(path));
  if (!lock) {
    Error error = std::move(lock).error();
    if (error.code == Code::kPrecondition) error.code = Code::kExists;
    return fail(std::move(error).with("listening on " + path));
  }
  struct Unlock {
    std::string file;
    ~Unlock() { ::unlink(file.c_str()); }  // while it is held
  } const unlock{lock_path(path)};

  SLUICE_CHECK_OK(remove_stale(path, address));
  os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "make a unix socket");
  // Before bind(), which takes bits away by the umask and adds none: the file is never open to more
  // than it shall be. And listen() at once: who watches the folder connects when the file appears.
  if (::fchmod(fd.get(), static_cast<mode_t>(mode)) != 0) return fail_errno(errno, "chmod " + path);
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(fd.get(), raw, sizeof address) != 0) return fail_errno(errno, "bind " + path);
  const int listening = ::listen(fd.get(), kBacklog);
  const int error = errno;

  Listener listener(path, std::move(fd));
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return fail_errno(errno, "look at " + path);
  listener.device_ = info.st_dev;
  listener.inode_ = info.st_ino;
  if (listening != 0) return fail_errno(error, "listen on " + path);
  if ((info.st_mode & 07777U) != mode && ::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) {
    return fail_errno(errno, "chmod " + path);
  }
  return listener;
}

os::UniqueFd Listener::accept() const {
  return os::UniqueFd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

Server::SocketState Listener::state() const {
  struct stat info {};
  if (::lstat(path_.c_str(), &info) != 0) return Server::SocketState::kMissing;
  // The number can't be another file's: our bound socket keeps the inode in use.
  const bool same = info.st_dev == device_ && info.st_ino == inode_;
  return same ? Server::SocketState::kOurs : Server::SocketState::kReplaced;
}

void Listener::close() {
  if (!fd_) return;
  if (state() == Server::SocketState::kOurs) ::unlink(path_.c_str());
  fd_.reset();
}

}  // namespace sluice::litegrpc
