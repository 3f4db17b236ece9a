// SPDX-License-Identifier: Apache-2.0
// What the programs do while nothing happens.
#include <thread>
#include <vector>

#include "tests/bench/device_plugin/machine.h"
#include "tests/bench/device_plugin/phases.h"

namespace sluice::bench {
namespace {

constexpr int kRuns = 5;
constexpr unsigned kVfs = 256;
constexpr auto kSettle = std::chrono::seconds(3);
// Two of our rescans, and one and a half of the peer's probes; then doubled.
constexpr auto kWindow = std::chrono::seconds(30);
constexpr double kWindows = 2;  // to a minute

}  // namespace

Status run_idle(const Bench& bench) {
  if (!bench.figures.wanted("device-plugin.idle")) return {};
  const auto tree = bench.directory + "/tree-idle";
  const auto machine = make_machine(tree, kVfs);
  SLUICE_TRY(auto labs, make_labs(bench.directory, tree, {"p0"}, bench.peer));
  for (auto& lab : labs) SLUICE_CHECK_OK(launch(lab, make_config(kVfs, 1), 1));
  std::this_thread::sleep_for(kSettle);
  Samples samples;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<Duration> before;
    for (auto& lab : labs) {
      SLUICE_TRY(const auto used, lab.room.cpu_time());
      before.push_back(used);
    }
    std::this_thread::sleep_for(kWindow);
    for (std::size_t i = 0; i < labs.size(); ++i) {
      SLUICE_TRY(const auto used, labs[i].room.cpu_time());
      const double ms = std::chrono::duration<double, std::milli>(used - before[i]).count();
      (i == 0 ? samples.ours : samples.peer).push_back(ms * kWindows);
    }
  }
  Figures::report("device-plugin.idle", "ms", samples);
  return {};
}

}  // namespace sluice::bench
