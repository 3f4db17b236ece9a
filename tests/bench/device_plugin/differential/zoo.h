// SPDX-License-Identifier: Apache-2.0
// The machine of the comparison: something of every kind that a selector can be about.
//
// p0 (NUMA 0): VFs 0 to 3 with mlx5_core, netdevs and (1, 2) RDMA; 4 to 7 with vfio-pci; two
// subfunctions. p1 (another vendor, NUMA 1): VF 0 with vfio-pci, 1 without an IOMMU, 2 with
// igb_uio, 3 with no driver, 4 with NUMA unknown. p2: an SR-IOV PF without VFs. n0: a plain NIC, by
// which the node's default route leads. a0: two accelerators.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/os/netns.h"
#include "tests/support/fake_sysfs/fake_sysfs.h"

namespace sluice::bench {

std::unique_ptr<testing::FakeSysfs> make_zoo(const std::string& directory);
// Its netdevs, which the namespace must have too; the PFs' and the subfunctions' among them.
std::vector<std::string> zoo_ethernets();
// The default route by n0; and the same interface indexes in the tree.
Status join(const os::NetNs& netns, testing::FakeSysfs& zoo);

}  // namespace sluice::bench
