// SPDX-License-Identifier: Apache-2.0
// What a PCI function's driver is for, by its name.
#pragma once

#include <string_view>

namespace sluice::nic {

// Hands the function to user space, a virtual machine or vhost, so that it has no netdev: vfio-pci
// and its variants (mlx5_vfio_pci), uio_pci_generic, igb_uio, pci-stub, xen-pciback, vDPA drivers.
// "" (unbound): false.
bool makes_no_netdev(std::string_view driver);

}  // namespace sluice::nic
