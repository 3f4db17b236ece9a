// SPDX-License-Identifier: Apache-2.0
// The RDMA devices of a VF: which they are, and their way into a pod and back. Internal to ports.
//
// Contract: a device that has gone, or that the kernel brought back already, is no Error on the way
// back. One that the pod renamed is known by its netdev, and gets its name back, unless another has
// it meanwhile. Source: a dying namespace gives its devices to the first one
// (drivers/infiniband/core/device.c, rdma_dev_exit_net()).
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/netlink/rdma.h"
#include "common/os/files.h"
#include "common/os/netns.h"

namespace sluice::cni {

struct VfRdma {
  std::vector<netlink::RdmaLink> devices;
  netlink::RdmaMode mode = netlink::RdmaMode::kShared;
};

// Of the function's own, by sysfs; where it has none, those on its netdev (soft-RoCE).
Result<VfRdma> rdma_of(const os::Root& sysfs, const std::string& pci, netlink::IfIndex netdev);

Status move_rdma(const std::vector<netlink::RdmaLink>& devices, const os::NetNs& pod);
// Those of a VF's `own` devices that have none of `names`, each with the name that it lost, which
// no device of `all` has: both are in the kernel's order. Nothing where they are more or fewer than
// the names that are missing, as nobody knows which is which then. Pure.
struct RenamedRdma {
  netlink::RdmaLink device;
  std::string name;
};
std::vector<RenamedRdma> renamed_rdma(const std::vector<std::string>& names,
                                      const std::vector<netlink::RdmaLink>& own,
                                      const std::vector<netlink::RdmaLink>& all);

// `names`, and what is on `netdev`, which finds what was renamed. {0}: only by names.
Status bring_rdma_home(const std::vector<std::string>& names, netlink::IfIndex netdev,
                       const os::NetNs& pod);
// What the kernel brought home has the name that the pod gave it: gives back those of `names` that
// the function's devices lost. `netdev`: the VF's, here.
Status name_rdma_at_home(const os::Root& sysfs, const std::string& pci, netlink::IfIndex netdev,
                         const std::vector<std::string>& names);
// Those of `names` that aren't in the pod, under whatever name.
Result<std::vector<std::string>> missing_rdma(const std::vector<std::string>& names,
                                              netlink::IfIndex netdev, const os::NetNs& pod);

}  // namespace sluice::cni
