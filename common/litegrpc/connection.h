// SPDX-License-Identifier: Apache-2.0
// Moves bytes between a socket and a Session, as the loop says that they can move.
//
// Contract: everything that may run foreign code happens in settle(), at the end of a turn: bytes
// that came, a socket that took some, a task that was posted. flush() runs none, so that it may be
// called from within an owner's call to us; what it brings about is settled in a turn of its own.
// Threading: the loop's thread. Held by shared_ptr; the loop's callbacks hold weak ones.
#pragma once

#include <memory>
#include <string>

#include "common/litegrpc/session.h"
#include "common/os/event_loop.h"
#include "common/os/unique_fd.h"

namespace sluice::litegrpc {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() { close(); }

  void readable();
  // Within a turn: nothing, as the turn does it at its end.
  void flush();
  void close();
  bool is_open() const { return static_cast<bool>(fd_); }

 protected:
  explicit Connection(os::EventLoop& loop) : loop_(loop) {}

  Status open(os::UniqueFd fd);  // non-blocking, connected
  void post_turn();
  void turn();
  void write();
  // Closes first.
  void fail_with(const std::string& problem);

  virtual Session& session() = 0;
  virtual void settle() = 0;
  virtual bool unsettled() = 0;                          // settle() has something to do
  virtual void turned() {}                               // at the end of each turn and flush()
  virtual void on_lost(const std::string& problem) = 0;  // is_open() is false; no foreign code

  os::EventLoop& loop_;

 private:
  void writable();

  os::UniqueFd fd_;
  bool in_turn_ = false;
  bool posted_ = false;
  bool watching_writable_ = false;
};

}  // namespace sluice::litegrpc
