// SPDX-License-Identifier: Apache-2.0
// DPDK's errors as ours.
#pragma once

#include <string_view>

#include "common/base/result.h"

struct rte_flow_error;

namespace sluice::rteflow {

// From an errno value of DPDK (rte_errno, or a negated return value).
Error dpdk_error(int number, std::string_view what);

// From a refused flow: the driver's words and what part of the rule they are about. `native` is the
// type of the rte_flow_error, the code follows from the errno value.
Error flow_error(const rte_flow_error& error, int number);

}  // namespace sluice::rteflow
