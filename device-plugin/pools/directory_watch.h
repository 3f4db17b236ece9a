// SPDX-License-Identifier: Apache-2.0
// Says when entries of a directory come, go or are replaced (inotify).
//
// Threading: the loop's thread. Contract: the callback may come more often than something changed;
// whoever is called looks at the directory itself.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/os/event_loop.h"
#include "common/os/unique_fd.h"

namespace sluice::pools {

class DirectoryWatch {
 public:
  static Result<std::unique_ptr<DirectoryWatch>> open(os::EventLoop& loop,
                                                      const std::string& directory,
                                                      std::function<void()> changed);
  ~DirectoryWatch();
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;

  // False once the directory itself was removed or moved: nothing will be reported any more.
  bool alive() const { return alive_; }

 private:
  DirectoryWatch(os::EventLoop& loop, os::UniqueFd fd, std::function<void()> changed);
  void drain();

  os::EventLoop& loop_;
  os::UniqueFd fd_;
  std::function<void()> changed_;
  bool alive_ = true;
};

}  // namespace sluice::pools
