// SPDX-License-Identifier: Apache-2.0
// CHECK: is an attachment as its ADD left it?
//
// Contract: changes nothing. Looks at the port, the pod's side, the addresses' reservation and the
// engine's rules. What the pod must have is said by prevResult: of this interface the addresses,
// MAC, MTU, sandbox and device; which of the routes, says expected.h. So what later
// plugins of the chain did is accepted as far as prevResult tells it: what is no longer in it isn't
// looked for, nor is what is there beyond it. Errors: kCheckFailed with all that was found;
// kWaitingForEngine where nothing is wrong but that the engine was away at ADD and hasn't taken the
// attachment in yet; kUnknownContainer when nothing is recorded of it.
#pragma once

#include "common/base/result.h"
#include "sriov-cni/attach/context.h"

namespace sluice::cni {

inline constexpr int kUnknownContainer = 3;
inline constexpr int kCheckFailed = 110;
inline constexpr int kWaitingForEngine = 111;

Status check(Context& context);

}  // namespace sluice::cni
