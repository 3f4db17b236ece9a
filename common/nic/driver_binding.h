// SPDX-License-Identifier: Apache-2.0
// Binding a PCI function to its driver again: an InfiniBand VF takes the GUIDs that its PF gave it
// only when its driver starts.
//
// Source: Documentation/ABI/testing/sysfs-bus-pci (drivers/.../bind, unbind).
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "common/os/files.h"

namespace sluice::nic {

// Takes it from the driver that has it (none: fine) and gives it to `driver`. Returns when the
// driver has started; the netdev is a new one then, with another ifindex. When it can't be given to
// `driver` it is bound to nothing, and the Error says so.
Status rebind(const os::Root& sysfs, const PciAddress& function, const std::string& driver);

}  // namespace sluice::nic
