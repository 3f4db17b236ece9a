// SPDX-License-Identifier: Apache-2.0
// Which addresses and routes CHECK looks for at an interface: pure.
//
// Contract: of `previous` (the runtime's prevResult) the addresses that it says are this
// interface's; without a number, those that ADD gave it, or all where it has no interfaces. The
// routes that ADD gave and that are still in it, and those of others whose gateway is beside this
// interface's addresses and no other's. What of a route isn't said is as ADD gave it.
// Source: CNI SPEC 1.1.0, section 2, CHECK: what the plugin has created and prevResult lists.
#pragma once

#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/journal/record.h"

namespace sluice::cni {

CniResult expected(const CniResult& previous, const Record& record);

}  // namespace sluice::cni
