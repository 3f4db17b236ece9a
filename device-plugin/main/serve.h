// SPDX-License-Identifier: Apache-2.0
// The program's run: everything that works together, wired, until a signal ends it.
#pragma once

#include "common/base/log.h"
#include "common/base/result.h"
#include "device-plugin/main/options.h"

namespace sluice::plugin {

Status serve(const Options& options, const Logger& log);

}  // namespace sluice::plugin
