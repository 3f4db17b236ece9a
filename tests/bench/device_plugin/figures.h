// SPDX-License-Identifier: Apache-2.0
// Samples and the lines that scripts/bench records. The format is tests/bench/README.md's.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

namespace sluice::bench {

struct Samples {
  std::vector<double> ours, peer;  // peer empty: absent
};

double median(std::vector<double> samples);
// The smallest sample that `share` of them don't exceed.
double percentile(std::vector<double> samples, double share);

class Figures {
 public:
  // `only`: a prefix of names, as in SLUICE_BENCH_ONLY.
  explicit Figures(std::string only) : only_(std::move(only)) {}

  // Is one of these names asked for?
  bool wanted(std::initializer_list<std::string> names) const;
  bool wanted(const std::string& name) const { return wanted({name}); }
  // The samples as they are, then the line.
  static void report(const std::string& name, const std::string& unit, const Samples& samples);

 private:
  std::string only_;
};

}  // namespace sluice::bench
