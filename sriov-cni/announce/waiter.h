// SPDX-License-Identifier: Apache-2.0
// A process that outlives its caller to do one thing later.
//
// Contract: start_detached() returns as soon as the process is there. It is nobody's child that
// would have to be reaped, in a session of its own, has nothing open but `keep` (0, 1 and 2 are
// /dev/null), and is ended at `deadline` whatever it does.
// Threading: the caller has one thread; a lock that another one holds would stay held in the child.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "common/base/result.h"

namespace sluice::cni {

Status start_detached(const std::vector<int>& keep, std::chrono::seconds deadline,
                      const std::function<void()>& work);

}  // namespace sluice::cni
