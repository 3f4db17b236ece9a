// SPDX-License-Identifier: Apache-2.0
// What sluice-cni counted, in Prometheus' text format.
//
// Contract: the number of series is bounded: verbs and steps are closed lists, a call's code is one
// of the statistics' table or "other". Only verbs and steps that occurred are there.
#pragma once

#include <string>

#include "common/callstats/call_stats.h"

namespace sluice::metrics {

std::string cni_text(const callstats::Snapshot& snapshot);

}  // namespace sluice::metrics
