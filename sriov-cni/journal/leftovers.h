// SPDX-License-Identifier: Apache-2.0
// Temporary files that os::write_file_atomic() leaves beside its target when its process is killed.
//
// Contract: whoever removes holds the lock under which the target is written; else a living
// writer's file would go.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"

namespace sluice::cni {

// Names below `directory`; no directory: none.
Result<std::vector<std::string>> leftovers_in(const std::string& directory);
Status remove_leftovers(const std::string& target);  // a path

}  // namespace sluice::cni
