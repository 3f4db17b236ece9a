// SPDX-License-Identifier: Apache-2.0
// A program under test in mount and network namespaces of its own, with a made tree as its /sys and
// /dev: what reads fixed paths sees the same machine as what can be told its paths.
//
// Contract: /sys and /dev are the tree's; /run and /var/lib are folders of the room, empty at each
// start; the rest is this machine's. A program that can't get all of this isn't started. It dies
// with the thread that started it. Needs root.
// Threading: one thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/os/netns.h"

namespace sluice::bench {

class Room {
 public:
  // `tree` has sys and dev; `ethernets` are netdevs of the namespace, of link type ether.
  static Result<Room> make(std::string directory, std::string tree,
                           const std::vector<std::string>& ethernets);
  Room(Room&&) noexcept;
  Room& operator=(Room&&) = delete;
  ~Room();  // kills what runs, removes the directory

  const os::NetNs& netns() const { return netns_; }
  // The kubelet's directory, from outside and from within.
  std::string kubelet_dir() const { return directory_ + "/lib/kubelet"; }
  std::string run_dir() const { return directory_ + "/run"; }

  // Empties the room. With plugins_registry, or as a kubelet without the plugin watcher.
  Status clear(bool plugins_registry = true);
  // Writes a file that the program may read, and gives its path.
  Result<std::string> put(const std::string& name, const std::string& text);

  // Runs argv[0], a path. Gives the time of its exec.
  Result<TimePoint> start(const std::vector<std::string>& argv);
  bool running();
  int exit_status() const { return exit_; }  // 128 + signal; -1 while it runs
  // SIGTERM; gives how long it took to end. Killed, and an Error, after `limit`.
  Result<Duration> stop(Duration limit);
  void kill();

  std::string output() const;  // what it has written, of that the last MiB
  Result<Duration> cpu_time() const;
  // A line of /proc/<pid>/status, in kB: "VmRSS", "RssAnon".
  Result<double> memory_kb(const std::string& what) const;

 private:
  Room(std::string directory, std::string tree, os::NetNs netns)
      : directory_(std::move(directory)), tree_(std::move(tree)), netns_(std::move(netns)) {}
  void reap(int options);

  std::string directory_, tree_;
  os::NetNs netns_;
  pid_t pid_ = -1;
  int exit_ = -1;
};

// The end of an output, for a message.
std::string tail_of(const std::string& output);

}  // namespace sluice::bench
