// SPDX-License-Identifier: Apache-2.0
// The groups of figures. Each runs when one of its names is asked for.
//
// Errors: what can't be measured ends the benchmark.
#pragma once

#include <optional>
#include <string>

#include "common/base/result.h"
#include "tests/bench/device_plugin/figures.h"
#include "tests/bench/device_plugin/subject.h"

namespace sluice::bench {

struct Bench {
  std::string directory;  // for trees and rooms
  Figures figures;
  std::optional<Subject> peer;
};

Status run_start(const Bench& bench);     // start.*, rss.*, stop
Status run_allocate(const Bench& bench);  // allocate.*, allocate8.*, prefer.*
Status run_idle(const Bench& bench);      // idle

}  // namespace sluice::bench
