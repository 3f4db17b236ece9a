// SPDX-License-Identifier: Apache-2.0
#include "common/litegrpc/connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace sluice::litegrpc {

Status Connection::open(os::UniqueFd fd) {
  SLUICE_CHECK_OK(loop_.watch(fd.get(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->readable();
  }));
  fd_ = std::move(fd);
  return {};
}

void Connection::close() {
  if (!fd_) return;
  loop_.unwatch(fd_.get());
  fd_.reset();
}

void Connection::fail_with(const std::string& problem) {
  if (!is_open()) return;
  close();
  on_lost(problem);
}

void Connection::readable() {
  if (!is_open()) return;
  const auto self = shared_from_this();
  // Once a turn: a peer that sends without end leaves the loop to others in between.
  std::array<char, std::size_t{64} << 10U> chunk;
  const auto got = ::recv(fd_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (got > 0) {
    if (!session().feed({chunk.data(), static_cast<std::size_t>(got)})) {
      write();  // why, as far as it is taken
      fail_with(session().problem());
    }
  } else if (got == 0) {
    fail_with("the peer closed the connection");
  } else if (errno != EAGAIN && errno != EINTR) {
    fail_with(errno_error(errno, "receive").message);
  }
  turn();
}

void Connection::writable() {
  const auto self = shared_from_this();
  turn();
}

void Connection::turn() {
  in_turn_ = true;
  settle();
  write();
  in_turn_ = false;
  // In a turn of its own: what writing brings about may be more to write, without end.
  if (unsettled()) post_turn();
  turned();
}

void Connection::flush() {
  if (in_turn_) return;
  write();
  if (unsettled()) post_turn();
  turned();
}

void Connection::post_turn() {
  if (posted_) return;
  posted_ = true;
  loop_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->posted_ = false;
    if (!self->in_turn_) self->turn();
  });
}

void Connection::write() {
  while (is_open()) {
    const std::string_view bytes = session().output();
    if (bytes.empty()) break;
    const auto put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put >= 0) {
      session().written(static_cast<std::size_t>(put));
    } else if (errno == EAGAIN) {
      if (watching_writable_) return;
      const auto watched = loop_.watch_writable(fd_.get(), [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->writable();
      });
      if (!watched) return fail_with(watched.error().message);
      watching_writable_ = true;
      return;
    } else if (errno != EINTR) {
      return fail_with(errno_error(errno, "send").message);
    }
  }
  if (is_open() && watching_writable_) {
    loop_.unwatch_writable(fd_.get());
    watching_writable_ = false;
  }
  if (is_open() && session().over()) fail_with(session().problem());
}

}  // namespace sluice::litegrpc
