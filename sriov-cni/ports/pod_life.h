// SPDX-License-Identifier: Apache-2.0
// Whether the pod of an attachment still has its network, for whoever takes back unasked.
//
// Contract: to take a living pod's network is worse than to leave a dead one's for later, so only
// what is known to be dead is kDead: the boot is another one, or the path is gone (or another
// namespace's), no process and no mount that /proc shows has the namespace any more, and what the
// kernel gives back or destroys with a namespace is back or gone. A path that can't be looked at
// says nothing. A runtime's DEL needn't ask.
// Threading: blocks the calling thread, for `patience` at most where the namespace may be dying.
#pragma once

#include <cstdint>

#include "common/base/clock.h"
#include "sriov-cni/journal/record.h"

namespace sluice::cni {

enum class PodLife : std::uint8_t { kAlive, kDead, kUnknown };

inline constexpr Duration kDyingPatience = std::chrono::seconds(1);

PodLife pod_life(const Record& record, Duration patience = kDyingPatience);

}  // namespace sluice::cni
