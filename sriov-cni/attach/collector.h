// SPDX-License-Identifier: Apache-2.0
// CNI's GC: everything of this network that no valid attachment has.
//
// Contract: with the runtime's list, even an empty one, what isn't on it is stale. Without the list
// only attachments whose namespace is gone are. A delegate is called with the list, and with the
// further interfaces of its attachments; without a list with what is recorded.
// Errors: all is tried; what could not be taken back is told at the end.
#pragma once

#include "common/base/result.h"
#include "sriov-cni/attach/context.h"

namespace sluice::cni {

Status collect(Context& context);

}  // namespace sluice::cni
