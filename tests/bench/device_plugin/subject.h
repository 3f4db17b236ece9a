// SPDX-License-Identifier: Apache-2.0
// The two programs: how each is started with its defaults, and how it is known to be done starting.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "tests/bench/device_plugin/kubelet.h"
#include "tests/bench/device_plugin/room.h"

namespace sluice::bench {

struct Subject {
  std::string name;  // "ours", "peer"
  std::string program;
  std::vector<std::string> flags;

  std::vector<std::string> argv(const std::string& config) const;
};

Subject our_program();
// Built by scripts/peers; none (said on stderr) where it can't be.
std::optional<Subject> peer_program();

// A subject in its room, with its kubelet.
struct Lab {
  Subject subject;
  Room room;
  std::unique_ptr<Kubelet> kubelet;
};

// Below `directory`, with the same tree for all.
Result<std::vector<Lab>> make_labs(const std::string& directory, const std::string& tree,
                                   const std::vector<std::string>& ethernets,
                                   const std::optional<Subject>& peer);

struct Launch {
  TimePoint exec{}, listed{};
  Duration cpu{};  // until then
};
// Empties the room, starts a kubelet and the program, waits until `resources` of them have sent a
// list.
Result<Launch> launch(Lab& lab, const std::string& config, std::size_t resources,
                      bool plugins_registry = true);

}  // namespace sluice::bench
