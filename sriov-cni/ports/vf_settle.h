// SPDX-License-Identifier: Apache-2.0
// A VF in a sysfs tree that hasn't caught up with the links yet. Internal to ports.
//
// Contract: the kernel's own sysfs changes with a link; a tree elsewhere is written by a program
// that hears of the link by an event, so that just after a VF came back the tree still lacks the
// netdev. Woken by changes of the tree (inotify), no sleeping and looking again.
// Threading: blocks the calling thread.
#pragma once

#include <string>

#include "common/base/clock.h"
#include "sriov-cni/ports/nics.h"

namespace sluice::cni {

// As Nics::vf(); in a tree that isn't the kernel's, when its netdev is a link of this namespace or
// `patience` is over.
Result<Nics::VfNow> settled_vf(Nics& nics, const std::string& sysfs_root,
                               const nic::PciAddress& address, Duration patience);

}  // namespace sluice::cni
