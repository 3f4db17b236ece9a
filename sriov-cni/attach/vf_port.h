// SPDX-License-Identifier: Apache-2.0
// A VF into a pod's namespace and back.
//
// Contract: an interface that isn't the attachment's own (by alias, or by name and MAC together) is
// never touched. Coming back is idempotent and takes a VF as it finds it: in the pod, on the host
// under the pod's name (the kernel returned it), on the host as it was, or not at all.
// Source: the order of a SETLINK's effects: net/core/rtnetlink.c do_setlink(): the move first, then
// MAC, MTU, name and flags; on a later failure the link stays in the pod under its host name.
#pragma once

#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/netlink/rtnetlink.h"
#include "common/nic/inventory.h"
#include "common/os/netns.h"
#include "sriov-cni/attach/nics.h"
#include "sriov-cni/attach/record.h"

namespace sluice::cni {

struct FoundVf {
  nic::Pf pf;
  nic::Vf vf;
  netlink::Link link;  // its netdev, in this namespace
};

// Code::kInvalid says which VFs there are; Retry::kLater when it is there but its netdev isn't.
Result<FoundVf> find_vf(Nics& nics, const std::string& sysfs_root, const nic::PciAddress& address);

// Why a device can't be made an interface of a pod, now and later: no VF, or its driver has no
// netdevs. nullopt: it can, or it isn't there at all, which find_vf() says better.
Result<std::optional<std::string>> why_no_interface(const std::string& sysfs_root,
                                                    const std::string& device);

// `record` must have been saved. One RTM_SETLINK on the VF, after its administrative MAC.
Status move_vf_in(const FoundVf& found, const Record& record, const os::NetNs& pod,
                  std::uint32_t mtu);

// `pod`: null when the namespace is gone.
Status return_vf(Nics& nics, const Record& record, const os::NetNs* pod);

}  // namespace sluice::cni
