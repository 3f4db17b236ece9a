// SPDX-License-Identifier: Apache-2.0
// What a pod's admission waits for: Allocate, and the question which devices are best.
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/device_plugin/machine.h"
#include "tests/bench/device_plugin/phases.h"

namespace sluice::bench {
namespace {

constexpr int kRuns = 5;
constexpr int kWarmUp = 100, kCalls = 1000;
constexpr unsigned kVfs = 256;
constexpr const char* kResource = "intel.com/pool0";

// Of one run, in ms.
struct Calls {
  std::vector<double> took;
  double cpu = 0;  // of the program, a call
};

double milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

template <class Call>
Result<Calls> time_calls(Lab& lab, Call call) {
  for (int i = 0; i < kWarmUp; ++i) SLUICE_CHECK_OK(call(i));
  Calls out;
  SLUICE_TRY(const auto cpu_before, lab.room.cpu_time());
  for (int i = 0; i < kCalls; ++i) {
    const auto before = std::chrono::steady_clock::now();
    SLUICE_CHECK_OK(call(i));
    out.took.push_back(milliseconds(std::chrono::steady_clock::now() - before));
  }
  SLUICE_TRY(const auto cpu_after, lab.room.cpu_time());
  out.cpu = milliseconds(cpu_after - cpu_before) / kCalls;
  return out;
}

class Caller {
 public:
  static Result<Caller> make(Lab& lab) {
    SLUICE_TRY(auto* const endpoint, lab.kubelet->endpoint(kResource));
    Caller caller(lab, *endpoint);
    const auto lists = lab.kubelet->lists();
    for (const auto& device : lists.at(kResource)) caller.ids_.push_back(device.id);
    return caller;
  }

  Result<Calls> allocate(std::size_t count) {
    return time_calls(*lab_, [&](int call) -> Status {
      std::vector<std::string> ids;
      for (std::size_t i = 0; i < count; ++i) {
        ids.push_back(ids_[(static_cast<std::size_t>(call) * count + i) % ids_.size()]);
      }
      SLUICE_TRY(const auto given, endpoint_->allocate(ids));
      if (given.envs.size() < 2 || given.nodes.size() != count + 1) {
        return fail(Code::kInternal, lab_->subject.name + " answered Allocate of " +
                                         std::to_string(count) + " with " +
                                         std::to_string(given.envs.size()) + " variables and " +
                                         std::to_string(given.nodes.size()) + " device nodes");
      }
      return {};
    });
  }
  Result<Calls> prefer() {
    return time_calls(*lab_, [&](int) -> Status {
      SLUICE_TRY(const auto ids, endpoint_->choose(ids_, 1));
      return ids.size() == 1 ? Status() : fail(Code::kInternal, "no preference");
    });
  }

 private:
  Caller(Lab& lab, standin::Endpoint& endpoint) : lab_(&lab), endpoint_(&endpoint) {}
  Lab* lab_;
  standin::Endpoint* endpoint_;
  std::vector<std::string> ids_;
};

struct Table {
  Samples p50, p99, cpu;
  void add(bool ours, const Calls& calls) {
    const auto to = [ours](Samples & samples) -> auto& {
      return ours ? samples.ours : samples.peer;
    };
    to(p50).push_back(percentile(calls.took, 0.50));
    to(p99).push_back(percentile(calls.took, 0.99));
    to(cpu).push_back(calls.cpu);
  }
};

}  // namespace

Status run_allocate(const Bench& bench) {
  if (!bench.figures.wanted({"device-plugin.allocate.p50", "device-plugin.allocate.p99",
                             "device-plugin.allocate.cpu", "device-plugin.allocate8.p50",
                             "device-plugin.prefer.p50"})) {
    return {};
  }
  const auto tree = bench.directory + "/tree-allocate";
  const auto machine = make_machine(tree, kVfs);
  SLUICE_TRY(auto labs, make_labs(bench.directory, tree, {"p0"}, bench.peer));
  for (auto& lab : labs) SLUICE_CHECK_OK(launch(lab, make_config(kVfs, 1), 1));
  Table one, eight, prefer;
  for (int run = 0; run < kRuns; ++run) {
    for (auto& lab : labs) {
      const bool ours = &lab == &labs.front();
      SLUICE_TRY(auto caller, Caller::make(lab));
      SLUICE_TRY(const auto ones, caller.allocate(1));
      one.add(ours, ones);
      SLUICE_TRY(const auto eights, caller.allocate(8));
      eight.add(ours, eights);
      if (!ours) continue;  // the peer has no opinion and is never asked
      SLUICE_TRY(const auto opinions, caller.prefer());
      prefer.add(ours, opinions);
    }
  }
  Figures::report("device-plugin.allocate.p50", "ms", one.p50);
  Figures::report("device-plugin.allocate.p99", "ms", one.p99);
  Figures::report("device-plugin.allocate.cpu", "ms", one.cpu);
  Figures::report("device-plugin.allocate8.p50", "ms", eight.p50);
  Figures::report("device-plugin.prefer.p50", "ms", prefer.p50);
  return {};
}

}  // namespace sluice::bench
