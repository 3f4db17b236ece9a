// SPDX-License-Identifier: Apache-2.0
// A directory tree that always shows one wanted state, however often it changes under its readers.
//
// Contract: publish() changes only what differs; a new directory appears with all that is in it, a
// file or link changes at once, a removed directory goes as a whole. The root directory itself
// stays, so readers that hold it open keep seeing the tree. What an earlier process left, also
// half removed, is taken over.
#pragma once

#include <map>
#include <string>

#include "common/base/result.h"

namespace sluice::softnic {

struct TreeEntry {
  bool link = false;  // symbolic link: `content` is its target
  std::string content;
  auto operator<=>(const TreeEntry&) const = default;
};

// Relative path -> file or link; directories are there because something is in them.
using Tree = std::map<std::string, TreeEntry>;

class LiveTree {
 public:
  // `root` is made when missing; "<root>.staging" beside it is used and emptied.
  static Result<LiveTree> open(std::string root);

  Status publish(const Tree& wanted);
  Status remove();  // the whole tree

 private:
  LiveTree(std::string root, Tree current)
      : root_(std::move(root)), staging_(root_ + ".staging"), current_(std::move(current)) {}
  Status drop_unwanted(const Tree& wanted);
  Status add_directories(const Tree& wanted);
  Status put(const std::string& path, const TreeEntry& entry);
  Status write_staged(const std::string& at, const TreeEntry& entry) const;
  std::string next_staged();

  std::string root_, staging_;
  Tree current_;
  unsigned staged_ = 0;
};

}  // namespace sluice::softnic
