// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/metrics/metrics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace sluice::metrics {
namespace {

// The value of a series, as "devices{...}" with its labels in any order; "" when there is none.
std::string value_of(const std::string& text, const std::string& name,
                     std::vector<std::string> labels) {
  std::sort(labels.begin(), labels.end());
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.rfind(' ');
    const auto brace = line.find('{');
    const std::string full = "sluice_device_plugin_" + name;
    if (line.substr(0, std::min(brace, space)) != full) continue;
    std::vector<std::string> present;
    if (brace != std::string::npos) {
      std::istringstream list(line.substr(brace + 1, line.rfind('}') - brace - 1));
      for (std::string label; std::getline(list, label, ',');) present.push_back(label);
    }
    std::sort(present.begin(), present.end());
    if (present == labels) return line.substr(space + 1);
  }
  return "";
}

std::string devices(const PluginMetrics& metrics, const std::string& pool, const std::string& state,
                    const std::string& reason = "") {
  return value_of(
      metrics.text(), "devices",
      {"pool=\"" + pool + "\"", "state=\"" + state + "\"", "reason=\"" + reason + "\""});
}

std::size_t series(const std::string& text) {
  std::istringstream lines(text);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) count += line.front() == '#' ? 0U : 1U;
  return count;
}

TEST_CASE("Devices: every state is there, also with 0; a pool that is gone is not") {
  PluginMetrics metrics;
  DeviceCounts counts;
  counts.add(State::kFree);
  counts.add(State::kFree);
  counts.add(State::kUsed);
  counts.add(State::kOtherFront, "held by claim shop/net");
  counts.add(State::kUnhealthy, "PF p0 has no carrier");
  counts.add(State::kUnhealthy, "PF p1 has no carrier");
  counts.add(State::kUnhealthy, "gone from the node");
  counts.add(State::kUnhealthy);
  metrics.set_devices({{"sluice.dev/vf", counts}, {"sluice.dev/pf", {}}});
  CHECK(devices(metrics, "sluice.dev/vf", "free") == "2");
  CHECK(devices(metrics, "sluice.dev/vf", "used") == "1");
  CHECK(devices(metrics, "sluice.dev/vf", "leaving") == "0");
  CHECK(devices(metrics, "sluice.dev/vf", "taken-by-other-front") == "1");
  CHECK(devices(metrics, "sluice.dev/vf", "unhealthy", "carrier") == "2");
  CHECK(devices(metrics, "sluice.dev/vf", "unhealthy", "gone") == "1");
  CHECK(devices(metrics, "sluice.dev/vf", "unhealthy", "other") == "1");
  CHECK(devices(metrics, "sluice.dev/vf", "unhealthy", "driver") == "0");
  CHECK(devices(metrics, "sluice.dev/pf", "free") == "0");

  metrics.set_devices({{"sluice.dev/pf", counts}});
  CHECK(devices(metrics, "sluice.dev/vf", "free") == "");
  CHECK(devices(metrics, "sluice.dev/pf", "free") == "2");
  metrics.set_devices({{"sluice.dev/vf", {}}});
  CHECK(devices(metrics, "sluice.dev/vf", "free") == "0");
  CHECK(devices(metrics, "sluice.dev/vf", "unhealthy", "carrier") == "0");
}

TEST_CASE("Reasons are classes, whatever names are in them") {
  CHECK(reason_class("") == Reason::kNone);
  CHECK(reason_class("no driver is bound") == Reason::kDriver);
  CHECK(reason_class("PF p0 has no carrier") == Reason::kCarrier);
  CHECK(reason_class("RDMA port mlx5_3/1 is DOWN") == Reason::kRdma);
  CHECK(reason_class("gone from the node") == Reason::kGone);
  CHECK(reason_class("can't be read: carrier of RDMA port driver: I/O error") ==
        Reason::kUnreadable);
  CHECK(reason_class("something else") == Reason::kOther);
}

TEST_CASE("Counters, gauges and the histogram") {
  PluginMetrics metrics;
  metrics.allocated("sluice.dev/vf", "ok");
  metrics.allocated("sluice.dev/vf", "ok");
  metrics.allocated("sluice.dev/vf", "not-found");
  metrics.allocated("sluice.dev/vf", "code that nobody knows");
  metrics.called("Allocate", std::chrono::microseconds(300));
  metrics.called("Allocate", std::chrono::seconds(20));
  metrics.called("NoSuchMethod", std::chrono::seconds(1));
  metrics.registered("sluice.dev/vf");
  metrics.registered("sluice.dev/vf");
  metrics.lost_kubelet("sluice.dev/vf");
  metrics.set_claims_prepared(3);
  metrics.set_refused_pools(2);
  metrics.rescanned(std::chrono::milliseconds(250), 1700000000);
  metrics.config_reloaded(true);

  const std::string text = metrics.text();
  const std::string pool = "pool=\"sluice.dev/vf\"";
  CHECK(value_of(text, "allocations_total", {pool, "code=\"ok\""}) == "2");
  CHECK(value_of(text, "allocations_total", {pool, "code=\"not-found\""}) == "1");
  CHECK(value_of(text, "allocations_total", {pool, "code=\"other\""}) == "1");
  const std::string method = "method=\"Allocate\"";
  CHECK(value_of(text, "call_seconds_count", {method}) == "2");
  CHECK(value_of(text, "call_seconds_bucket", {method, "le=\"0.00025\""}) == "0");
  CHECK(value_of(text, "call_seconds_bucket", {method, "le=\"0.0005\""}) == "1");
  CHECK(value_of(text, "call_seconds_bucket", {method, "le=\"+Inf\""}) == "2");
  CHECK(value_of(text, "call_seconds_count", {"method=\"other\""}) == "1");
  CHECK(value_of(text, "kubelet_registrations_total", {pool}) == "2");
  CHECK(value_of(text, "kubelet_losses_total", {pool}) == "1");
  CHECK(value_of(text, "claims_prepared", {}) == "3");
  CHECK(value_of(text, "refused_pools", {}) == "2");
  CHECK(value_of(text, "last_rescan_duration_seconds", {}) == "0.25");
  CHECK(value_of(text, "last_rescan_timestamp_seconds", {}) == "1700000000");
  CHECK(value_of(text, "config_reloads_total", {"result=\"ok\""}) == "1");
  CHECK(value_of(text, "config_reloads_total", {"result=\"failed\""}) == "0");
  CHECK(text.find("# TYPE sluice_device_plugin_allocations_total counter") != std::string::npos);
  CHECK(text.find("# TYPE sluice_device_plugin_claims_prepared gauge") != std::string::npos);
}

TEST_CASE("Names of pools can't break the format, and their number has an end") {
  PluginMetrics metrics;
  metrics.allocated("a\"b\nc\\d", "ok");
  CHECK(metrics.text().find("pool=\"a\\\"b\\nc\\\\d\"") != std::string::npos);
  std::map<std::string, DeviceCounts> pools;
  for (std::size_t n = 0; n < 3 * kMaxPools; ++n) {
    const std::string name = "p" + std::to_string(n);
    metrics.allocated(name, "ok");
    pools[name].add(State::kFree);
  }
  metrics.set_devices(pools);
  const std::string text = metrics.text();
  // The first one had a name of its own, too.
  CHECK(value_of(text, "allocations_total", {"pool=\"other\"", "code=\"ok\""}) ==
        std::to_string(2 * kMaxPools + 1));
  CHECK(devices(metrics, "other", "free") == std::to_string(2 * kMaxPools + 1));
  CHECK(series(text) < kMaxPools * 12 + 100);
}

TEST_CASE("Counted from several threads, nothing is lost, and text() may come any time") {
  PluginMetrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&metrics, t] {
      for (int n = 0; n < 300; ++n) {
        metrics.allocated("sluice.dev/vf", "ok");
        metrics.called("Allocate", Duration(1));
        if (t == 0) metrics.set_devices({{n % 2 == 0 ? "a" : "b", {}}});
        if (t == 1 && n % 30 == 0) CHECK_FALSE(metrics.text().empty());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(value_of(metrics.text(), "allocations_total", {"pool=\"sluice.dev/vf\"", "code=\"ok\""}) ==
        "900");
}

}  // namespace
}  // namespace sluice::metrics
