// SPDX-License-Identifier: Apache-2.0
// A result's addresses and routes as the kernel takes them. Pure, internal to ports.
#pragma once

#include <vector>

#include "common/netlink/rtnetlink.h"
#include "sriov-cni/config/cni_result.h"

namespace sluice::cni {

// In an order that the kernel takes: a gateway is reached by a route without one.
std::vector<netlink::IpRoute> pod_routes(const CniResult& result, netlink::IfIndex link);

}  // namespace sluice::cni
