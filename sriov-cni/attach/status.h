// SPDX-License-Identifier: Apache-2.0
// CNI's STATUS: would an ADD of this network go through now?
//
// Contract: changes nothing but that the state directory is made.
// Errors: code 50; 51 where the pods that are there are cut off too, as behind a software NIC whose
// engine is away; 2 and 7 for a configuration that no ADD could do anything with. An engine that
// the network can do without is a line in the log.
#pragma once

#include "common/base/result.h"
#include "sriov-cni/attach/context.h"

namespace sluice::cni {

Status status(Context& context);

}  // namespace sluice::cni
