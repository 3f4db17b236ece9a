// SPDX-License-Identifier: Apache-2.0
// Attachments that the CNI plugin made while no engine was there: files of one AttachRequest each,
// in a directory that is watched.
//
// Contract: a file is attached as by a call, and removed when its rules are in place. What fails is
// tried again, when the directory changes and once a second. A file that is removed before its
// rules were in place is as never attached. <name>.gone holds the id of an attachment that was
// undone while no engine was there: it is detached before <name> is taken in, and at the start
// before anybody can attach it anew. Other names with a dot in them are not ours: half-written
// ones, and those that could not be read and were renamed to <name>.refused. Threading: the loop's
// thread; the engine outlives it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/base/log.h"
#include "common/os/directory_watch.h"
#include "common/os/event_loop.h"
#include "offload/engine/engine.h"

namespace sluice::engine {

class PendingAttachments {
 public:
  // Makes the directory, for its owner only. Withdrawals are applied at once, the first look for
  // attachments is taken from the loop.
  static Result<std::unique_ptr<PendingAttachments>> start(os::EventLoop& loop, Engine& engine,
                                                           std::string directory, Logger log);
  ~PendingAttachments();
  PendingAttachments(const PendingAttachments&) = delete;
  PendingAttachments& operator=(const PendingAttachments&) = delete;

 private:
  static constexpr Duration kRetry = std::chrono::seconds(1);

  PendingAttachments(os::EventLoop& loop, Engine& engine, std::string directory, Logger log)
      : loop_(loop), engine_(engine), directory_(std::move(directory)), log_(std::move(log)) {}
  Status watch();
  void look();
  void look_later(Duration delay);
  void withdraw(const std::string& name);  // without ".gone"
  void take_in(const std::string& name);
  void attached(const std::string& name, const std::string& id, const std::string& bytes);
  void withdrawn(const std::string& id);
  void refuse(const std::string& name, const Error& error);
  // Says it once, and tries again.
  void try_again(const std::string& name, const Error& error);
  std::string path_of(const std::string& name) const { return directory_ + "/" + name; }

  os::EventLoop& loop_;
  Engine& engine_;
  std::string directory_;
  Logger log_;
  std::unique_ptr<os::DirectoryWatch> watch_;
  std::optional<os::EventLoop::TimerId> timer_;
  std::set<std::string> on_their_way_, withdrawing_;  // names, the second ones without ".gone"
  std::map<std::string, std::string> said_;           // the last error of each name
  std::shared_ptr<const bool> here_ = std::make_shared<const bool>(true);  // for late answers
};

}  // namespace sluice::engine
