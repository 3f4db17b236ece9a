// SPDX-License-Identifier: Apache-2.0
// A listening unix socket and its file.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/base/result.h"
#include "common/litegrpc/server.h"
#include "common/os/unique_fd.h"

namespace sluice::litegrpc {

class Listener {
 public:
  // Replaces the file of a dead server; Code::kExists for a live one and for what is no socket.
  static Result<Listener> bind(const std::string& path, unsigned mode);

  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener() { close(); }

  int fd() const { return fd_.get(); }
  bool is_open() const { return static_cast<bool>(fd_); }
  os::UniqueFd accept() const;  // errno says why there is none
  Server::SocketState state() const;
  void close();  // and removes the file, if it is still ours

 private:
  Listener(std::string path, os::UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  os::UniqueFd fd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace sluice::litegrpc
