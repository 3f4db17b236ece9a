// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/device_plugin/subject.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <utility>

namespace sluice::bench {
namespace {

constexpr auto kStartLimit = std::chrono::minutes(4);  // the slowest there is takes 45 s

}  // namespace

std::vector<std::string> Subject::argv(const std::string& config) const {
  std::vector<std::string> out = {program};
  out.insert(out.end(), flags.begin(), flags.end());
  out.insert(out.end(), {"--config-file", config});
  return out;
}

// All paths are the defaults: the room has what is there.
Subject our_program() { return {"ours", SLUICE_DEVICE_PLUGIN, {}}; }

std::optional<Subject> peer_program() {
  std::FILE* pipe =
      ::popen("'" SLUICE_SOURCE_DIR "/scripts/peers' sriov-network-device-plugin", "r");
  std::string path;
  std::array<char, 4096> chunk{};
  while (pipe != nullptr && std::fgets(chunk.data(), chunk.size(), pipe) != nullptr) {
    path += chunk.data();
  }
  const int status = pipe == nullptr ? -1 : ::pclose(pipe);
  if (status != 0 || path.empty()) {
    std::cerr << "device-plugin: peer absent\n";
    return {};
  }
  path.pop_back();
  // As the entry point of its image starts it.
  return Subject{"peer", path, {"-v", "10", "-logtostderr"}};
}

Result<std::vector<Lab>> make_labs(const std::string& directory, const std::string& tree,
                                   const std::vector<std::string>& ethernets,
                                   const std::optional<Subject>& peer) {
  std::vector<Subject> subjects = {our_program()};
  if (peer) subjects.push_back(*peer);
  std::vector<Lab> labs;
  for (auto& subject : subjects) {
    SLUICE_TRY(auto room, Room::make(directory + "/" + subject.name, tree, ethernets));
    labs.push_back({std::move(subject), std::move(room), nullptr});
  }
  return labs;
}

Result<Launch> launch(Lab& lab, const std::string& config, std::size_t resources,
                      bool plugins_registry) {
  lab.room.kill();
  lab.kubelet.reset();
  SLUICE_CHECK_OK(lab.room.clear(plugins_registry));
  SLUICE_TRY(const auto path, lab.room.put("config.json", config));
  SLUICE_TRY(lab.kubelet, Kubelet::start(lab.room.kubelet_dir()));
  Launch launch;
  SLUICE_TRY(launch.exec, lab.room.start(lab.subject.argv(path)));
  const auto limit = std::chrono::steady_clock::now() + kStartLimit;
  std::optional<TimePoint> listed;
  // In steps, to see a program that has given up.
  while (!listed && lab.room.running() && std::chrono::steady_clock::now() < limit) {
    listed = lab.kubelet->wait_for_lists(resources, std::chrono::milliseconds(100));
  }
  if (!listed) {
    return fail(Code::kTimeout, lab.subject.name + " offered " +
                                    std::to_string(lab.kubelet->lists().size()) + " of " +
                                    std::to_string(resources) + " resources; it says:\n" +
                                    tail_of(lab.room.output()));
  }
  launch.listed = *listed;
  SLUICE_TRY(launch.cpu, lab.room.cpu_time());
  return launch;
}

}  // namespace sluice::bench
