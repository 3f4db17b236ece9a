// SPDX-License-Identifier: Apache-2.0
// A veth whose one end is made in the pod's namespace, under its final name, by one RTM_NEWLINK.
// The engine plugs the other end into its bridge.
#pragma once

#include <cstdint>

#include "common/base/result.h"
#include "common/os/netns.h"
#include "sriov-cni/attach/record.h"

namespace sluice::cni {

Status make_veth(const Record& record, const os::NetNs& pod, std::uint32_t mtu);
// By its name on the host, and only if it is a veth. Gone (with its namespace): success.
Status delete_veth(const Record& record);

}  // namespace sluice::cni
