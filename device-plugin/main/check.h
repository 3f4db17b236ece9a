// SPDX-License-Identifier: Apache-2.0
// --check-config and --save-inventory: what would be given to whom, without a kubelet.
#pragma once

#include "device-plugin/main/options.h"

namespace sluice::plugin {

// Prints to stdout; the exit status: 0 good, 1 the configuration (or a pool of it) is refused.
int check_config(const Options& options);
int save_inventory(const Options& options);

}  // namespace sluice::plugin
