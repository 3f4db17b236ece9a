// SPDX-License-Identifier: Apache-2.0
// From exec to the kubelet's first list of every pool; the memory then; the way out.
#include <iostream>
#include <map>
#include <thread>

#include "tests/bench/device_plugin/machine.h"
#include "tests/bench/device_plugin/phases.h"

namespace sluice::bench {
namespace {

constexpr int kRuns = 5;
// A peer that takes so long all in all isn't started again: its time is then hardly noise.
constexpr double kPeerSeconds = 40;
constexpr auto kSettle = std::chrono::seconds(2);
constexpr auto kStopLimit = std::chrono::seconds(60);

struct Shape {
  const char* name;
  unsigned vfs, pools;
  bool plugins_registry = true;
  const char* cpu = nullptr;  // names of the further figures; null: not reported
  const char* rss = nullptr;
  const char* stop = nullptr;
};

constexpr Shape kShapes[] = {
    {"device-plugin.start.8x1", 8, 1},
    {"device-plugin.start.8x1.register", 8, 1, false},
    {"device-plugin.start.256x1", 256, 1, true, nullptr, "device-plugin.rss", "device-plugin.stop"},
    {"device-plugin.start.1024x1", 1024, 1, true, "device-plugin.start.1024x1.cpu"},
    {"device-plugin.start.256x16", 256, 16, true, "device-plugin.start.256x16.cpu",
     "device-plugin.rss.256x16"},
};

bool wanted(const Figures& figures, const Shape& shape) {
  for (const char* name : {shape.name, shape.cpu, shape.rss, shape.stop}) {
    if (name != nullptr && figures.wanted(name)) return true;
  }
  return false;
}

double milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

struct Sample {
  double start = 0, cpu = 0, rss = 0, stop = 0;
};

Result<Sample> measure(Lab& lab, const Shape& shape) {
  SLUICE_TRY(const auto launched,
             launch(lab, make_config(shape.vfs, shape.pools), shape.pools, shape.plugins_registry));
  std::size_t devices = 0;
  for (const auto& [resource, list] : lab.kubelet->lists()) devices += list.size();
  if (devices != shape.vfs) {
    return fail(Code::kInternal, lab.subject.name + " offers " + std::to_string(devices) + " of " +
                                     std::to_string(shape.vfs) + " VFs");
  }
  Sample sample{milliseconds(launched.listed - launched.exec), milliseconds(launched.cpu), 0, 0};
  if (shape.rss != nullptr) {
    std::this_thread::sleep_for(kSettle);
    SLUICE_TRY(const auto rss, lab.room.memory_kb("VmRSS"));
    SLUICE_TRY(const auto anonymous, lab.room.memory_kb("RssAnon"));
    sample.rss = rss / 1024;
    std::cout << "RAW " << shape.rss << ".anonymous " << lab.subject.name << " " << anonymous / 1024
              << "\n";
  }
  SLUICE_TRY(const auto took, lab.room.stop(kStopLimit));
  sample.stop = milliseconds(took);
  return sample;
}

Status run_shape(const Bench& bench, const Shape& shape) {
  const auto tree = bench.directory + "/" + shape.name;
  const auto machine = make_machine(tree, shape.vfs);
  SLUICE_TRY(auto labs, make_labs(bench.directory, tree, {"p0"}, bench.peer));
  Samples start, cpu, rss, stop;
  double peer_seconds = 0;
  for (int i = 0; i < kRuns; ++i) {
    for (auto& lab : labs) {
      const bool ours = &lab == &labs.front();
      if (!ours && peer_seconds > kPeerSeconds) continue;
      SLUICE_TRY(const auto sample, measure(lab, shape));
      if (!ours) peer_seconds += sample.start / 1000;
      const auto add = [ours](Samples& samples, double value) {
        (ours ? samples.ours : samples.peer).push_back(value);
      };
      add(start, sample.start);
      add(cpu, sample.cpu);
      add(rss, sample.rss);
      add(stop, sample.stop);
    }
  }
  Figures::report(shape.name, "ms", start);
  if (shape.cpu != nullptr) Figures::report(shape.cpu, "ms", cpu);
  if (shape.rss != nullptr) Figures::report(shape.rss, "MB", rss);
  if (shape.stop != nullptr) Figures::report(shape.stop, "ms", stop);
  return {};
}

}  // namespace

Status run_start(const Bench& bench) {
  for (const auto& shape : kShapes) {
    if (wanted(bench.figures, shape)) SLUICE_CHECK_OK(run_shape(bench, shape));
  }
  return {};
}

}  // namespace sluice::bench
