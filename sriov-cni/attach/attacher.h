// SPDX-License-Identifier: Apache-2.0
// ADD: the steps, their order, and what happens when one fails.
//
// Contract: everything or nothing, be it one interface or several; the error is the first one.
// For each interface: the record (stage kBegun, all that is going to be done), addresses, the port
// (before the addresses where port_comes_first()), the pod's side, the engine, the announcement; at
// the end the records again (kAttached), and the
// device-info file. So a record reaches the disk twice, and whatever ADD is killed at, the first
// one says what may have been done: it names the source of the addresses before they are asked for,
// and the VF as it was before it is touched. It holds the attachment's lock, so that a DEL waits
// for the ADD that the runtime gave up on. It is over by kCallEnds, as far as what it waits for can
// be told so (engine, plugins, VFs on their way back): the steps leave the undoing its share.
// Threading: one call at a time in a process; any number
// of processes.
#pragma once

#include "common/base/result.h"
#include "sriov-cni/attach/context.h"
#include "sriov-cni/config/cni_result.h"

namespace sluice::cni {

Result<CniResult> add(Context& context);

// By the records alone: neither the device plugin nor, but for an attachment that isn't known, the
// configuration is asked. Any number of times, also for what was never added.
Status del(Context& context);

}  // namespace sluice::cni
