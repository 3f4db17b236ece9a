// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/metrics/cni_metrics.h"

#include <doctest/doctest.h>

#include <string>

using namespace sluice;
using callstats::Step;
using callstats::Verb;

namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("Nothing counted: no steps and no calls, and counters that a rate can begin at") {
  const auto text = metrics::cni_text({});
  CHECK(has_line(text, "sluice_cni_repaired_total 0"));
  CHECK(text.find("sluice_cni_step_seconds_bucket") == std::string::npos);
  CHECK(text.find("sluice_cni_calls_total{") == std::string::npos);
}

TEST_CASE("Buckets are cumulative and in seconds") {
  callstats::Snapshot snapshot;
  auto& move =
      snapshot.steps[static_cast<std::size_t>(Verb::kAdd)][static_cast<std::size_t>(Step::kMove)];
  move.counts[0] = 2;                          // up to 100 us
  move.counts[3] = 1;                          // up to 1 ms
  move.counts[callstats::kBounds.size()] = 1;  // longer than all bounds
  move.sum_us = 61'001'150;
  const auto text = metrics::cni_text(snapshot);
  const std::string series = "sluice_cni_step_seconds_bucket{verb=\"ADD\",step=\"move\",le=";
  CHECK(has_line(text, series + "\"0.0001\"} 2"));
  CHECK(has_line(text, series + "\"0.0005\"} 2"));
  CHECK(has_line(text, series + "\"0.001\"} 3"));
  CHECK(has_line(text, series + "\"60\"} 3"));
  CHECK(has_line(text, series + "\"+Inf\"} 4"));
  CHECK(has_line(text, "sluice_cni_step_seconds_count{verb=\"ADD\",step=\"move\"} 4"));
  CHECK(has_line(text, "sluice_cni_step_seconds_sum{verb=\"ADD\",step=\"move\"} 61.00115"));
  CHECK(text.find("step=\"lock\"") == std::string::npos);
}

TEST_CASE("Calls by verb and code") {
  callstats::Snapshot snapshot;
  snapshot.codes[static_cast<std::size_t>(Verb::kAdd)] = {{0, 7}, {11, 2}};
  snapshot.codes[static_cast<std::size_t>(Verb::kGc)] = {{-1, 1}};
  snapshot.repaired = 4;
  const auto text = metrics::cni_text(snapshot);
  CHECK(has_line(text, "sluice_cni_calls_total{verb=\"ADD\",code=\"0\"} 7"));
  CHECK(has_line(text, "sluice_cni_calls_total{verb=\"ADD\",code=\"11\"} 2"));
  CHECK(has_line(text, "sluice_cni_calls_total{verb=\"GC\",code=\"other\"} 1"));
  CHECK(has_line(text, "sluice_cni_repaired_total 4"));
}
