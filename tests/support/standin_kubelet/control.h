// SPDX-License-Identifier: Apache-2.0
// The control socket: one JSON object a line in, one out. See README.md.
//
// Threading: the loop's thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/os/event_loop.h"
#include "common/os/unique_fd.h"
#include "tests/support/standin_kubelet/kubelet.h"

namespace sluice::standin {

class ControlServer {
 public:
  static Result<std::unique_ptr<ControlServer>> listen(os::EventLoop& loop, const std::string& path,
                                                       Kubelet& kubelet);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Connection {
    os::UniqueFd fd;
    std::string input;
  };

  ControlServer(os::EventLoop& loop, std::string path, os::UniqueFd fd, Kubelet& kubelet);
  void accept_one();
  void readable(int fd);

  os::EventLoop& loop_;
  std::string path_;
  os::UniqueFd fd_;
  Kubelet& kubelet_;
  std::map<int, Connection> connections_;
};

}  // namespace sluice::standin
