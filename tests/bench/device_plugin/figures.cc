// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/device_plugin/figures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace sluice::bench {
namespace {

void print_raw(const std::string& name, const char* whose, const std::vector<double>& samples) {
  std::printf("RAW %s %s", name.c_str(), whose);
  for (const double sample : samples) std::printf(" %.4g", sample);
  std::printf("\n");
}

}  // namespace

double median(std::vector<double> samples) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const auto middle = samples.size() / 2;
  return samples.size() % 2 == 1 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
}

double percentile(std::vector<double> samples, double share) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const auto rank = std::ceil(share * static_cast<double>(samples.size()));
  return samples[static_cast<std::size_t>(std::max(1.0, rank)) - 1];
}

bool Figures::wanted(std::initializer_list<std::string> names) const {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return name.starts_with(only_); });
}

void Figures::report(const std::string& name, const std::string& unit, const Samples& samples) {
  print_raw(name, "ours", samples.ours);
  const double ours = median(samples.ours);
  const auto [low, high] = std::minmax_element(samples.ours.begin(), samples.ours.end());
  const double spread = ours > 0 ? (*high - *low) / ours : 0;
  std::printf("BENCH %s ours=%.4g ", name.c_str(), ours);
  if (samples.peer.empty()) {
    std::printf("peer=absent ratio=-");
  } else {
    const double peer = median(samples.peer);
    std::printf("peer=%.4g ratio=%.4g", peer, peer > 0 ? ours / peer : 0);
  }
  std::printf(" unit=%s runs=%zu spread=%.3f\n", unit.c_str(), samples.ours.size(), spread);
  if (!samples.peer.empty()) print_raw(name, "peer", samples.peer);
  std::fflush(stdout);
}

}  // namespace sluice::bench
