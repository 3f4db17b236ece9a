// SPDX-License-Identifier: Apache-2.0
// Builds all parts of sluice-offloadd in order, runs them, and takes them down in reverse.
#pragma once

#include "common/base/log.h"
#include "common/base/result.h"
#include "offload/main/flags.h"

namespace sluice::offloadd {

// Returns after SIGTERM or SIGINT (success), or with why it could not start or go on.
Status run(const Flags& flags, const Logger& log);

}  // namespace sluice::offloadd
