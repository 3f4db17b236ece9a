// SPDX-License-Identifier: Apache-2.0
// A veth whose one end is made in the pod's namespace, under its final name, by one RTM_NEWLINK.
// The engine plugs the other end into its bridge.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/os/netns.h"
#include "sriov-cni/journal/record.h"

namespace sluice::cni {

// By the record's veth, key.interface, mac, mtu.
Status make_veth(const Record& record, const os::NetNs& pod);
// By its name on the host, and only if it is a veth. Gone (with its namespace): success.
Status delete_veth(const Record& record);
// CHECK: what isn't as ADD left it; empty: all is.
Result<std::vector<std::string>> check_veth(const Record& record, const os::NetNs& pod);

}  // namespace sluice::cni
