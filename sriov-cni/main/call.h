// SPDX-License-Identifier: Apache-2.0
// One CNI call: environment and stdin in, the result or the error object on stdout.
#pragma once

#include "sriov-cni/config/environment.h"

namespace sluice::cni {

// The exit status.
int run_call(const Variables& variables);

}  // namespace sluice::cni
