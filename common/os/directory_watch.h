// SPDX-License-Identifier: Apache-2.0
// Says when entries of a directory come, go or are replaced (inotify).
//
// Threading: the loop's thread. Contract: the callback may come more often than something changed;
// whoever is called looks at the directory itself, and may destroy the watch.
// Errors: no such directory: Code::kNotFound.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/os/event_loop.h"
#include "common/os/unique_fd.h"

namespace sluice::os {

class DirectoryWatch {
 public:
  static Result<std::unique_ptr<DirectoryWatch>> open(EventLoop& loop, const std::string& directory,
                                                      std::function<void()> changed);
  ~DirectoryWatch();
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;

  // False once the directory itself was removed or moved: nothing will be reported any more.
  bool alive() const { return alive_; }

 private:
  DirectoryWatch(EventLoop& loop, UniqueFd fd, std::function<void()> changed);
  void drain();

  EventLoop& loop_;
  UniqueFd fd_;
  std::function<void()> changed_;
  bool alive_ = true;
};

}  // namespace sluice::os
