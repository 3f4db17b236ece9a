// SPDX-License-Identifier: Apache-2.0
// Network namespaces.
//
// Threading: a namespace is a thread's. run_in() takes the calling thread into another one and
// back; other threads never notice. Sockets opened inside stay in that namespace wherever they are
// used afterwards.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "common/base/result.h"
#include "common/os/unique_fd.h"

namespace sluice::os {

class NetNs {
 public:
  static Result<NetNs> current();                      // of the calling thread
  static Result<NetNs> open(const std::string& path);  // "/run/netns/x", "/proc/7/ns/net"
  // A new one, kept by a bind mount at `path` (its directory is made when missing) so that it
  // outlives the process. Exists already: opens that one.
  static Result<NetNs> create_named(const std::string& path);
  static Result<NetNs> create_anonymous();  // lives as long as the descriptor and its sockets
  static Status remove_named(const std::string& path);  // gone already: success

  int fd() const { return fd_.get(); }
  ino_t inode() const { return inode_; }  // its identity

  // Runs `work` with this namespace as the thread's own. An Error if the namespace can't be
  // entered. Ends the program if the thread can't come back, which takes CAP_SYS_ADMIN over its own
  // namespace too: nothing that it would do there is what was meant.
  Status run_in(const std::function<Status()>& work) const;

 private:
  NetNs(UniqueFd fd, ino_t inode) : fd_(std::move(fd)), inode_(inode) {}
  UniqueFd fd_;
  ino_t inode_ = 0;
};

}  // namespace sluice::os
