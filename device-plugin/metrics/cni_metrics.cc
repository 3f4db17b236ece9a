// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/metrics/cni_metrics.h"

#include <limits>
#include <utility>
#include <vector>

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace sluice::metrics {
namespace {

using callstats::Histogram;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr double kMicrosecondsPerSecond = 1e6;

double seconds(std::uint64_t us) { return static_cast<double>(us) / kMicrosecondsPerSecond; }

MetricFamily family(std::string name, std::string help, MetricType type) {
  MetricFamily made;
  made.name = "sluice_cni_" + std::move(name);
  made.help = std::move(help);
  made.type = type;
  return made;
}

ClientMetric counter(std::vector<ClientMetric::Label> labels, std::uint64_t count) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.counter.value = static_cast<double>(count);
  return metric;
}

ClientMetric histogram(std::vector<ClientMetric::Label> labels, const Histogram& from) {
  ClientMetric metric;
  metric.label = std::move(labels);
  auto& to = metric.histogram;
  for (std::size_t at = 0; at < from.counts.size(); ++at) {
    to.sample_count += from.counts[at];
    ClientMetric::Bucket bucket;
    bucket.cumulative_count = to.sample_count;
    bucket.upper_bound = at < callstats::kBounds.size() ? seconds(callstats::kBounds[at])
                                                        : std::numeric_limits<double>::infinity();
    to.bucket.push_back(bucket);
  }
  to.sample_sum = seconds(from.sum_us);
  return metric;
}

MetricFamily step_seconds(const callstats::Snapshot& snapshot) {
  auto steps = family("step_seconds", "How long the steps of sluice-cni's calls took, by verb",
                      MetricType::Histogram);
  for (std::size_t verb = 0; verb < callstats::kVerbs; ++verb) {
    const std::string verb_name(to_string(static_cast<callstats::Verb>(verb)));
    for (std::size_t step = 0; step < callstats::kSteps; ++step) {
      const auto& counted = snapshot.steps[verb][step];
      if (counted.total() == 0) continue;
      const std::string step_name(to_string(static_cast<callstats::Step>(step)));
      steps.metric.push_back(histogram({{"verb", verb_name}, {"step", step_name}}, counted));
    }
  }
  return steps;
}

MetricFamily calls_total(const callstats::Snapshot& snapshot) {
  auto calls = family("calls_total", "Calls of sluice-cni by verb and CNI error code; 0: success",
                      MetricType::Counter);
  for (std::size_t verb = 0; verb < callstats::kVerbs; ++verb) {
    const std::string verb_name(to_string(static_cast<callstats::Verb>(verb)));
    for (const auto& counted : snapshot.codes[verb]) {
      const auto code = counted.code < 0 ? std::string("other") : std::to_string(counted.code);
      calls.metric.push_back(counter({{"verb", verb_name}, {"code", code}}, counted.count));
    }
  }
  return calls;
}

}  // namespace

std::string cni_text(const callstats::Snapshot& snapshot) {
  auto repaired =
      family("repaired_total", "Attachments, VFs and addresses that GC and repair got back",
             MetricType::Counter);
  repaired.metric.push_back(counter({}, snapshot.repaired));
  std::vector<MetricFamily> families{step_seconds(snapshot), calls_total(snapshot),
                                     std::move(repaired)};
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace sluice::metrics
