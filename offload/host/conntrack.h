// SPDX-License-Identifier: Apache-2.0
// Makes the kernel's NAT look again at UDP that it has steered before.
//
// The nat table is asked for the first packet of a connection only, and UDP has no end that could
// be seen: a process that goes on sending from one socket would be steered to a pod that is gone,
// or not be steered to one that has come. Threading: any thread, in the node's namespace. Source:
// include/uapi/linux/netfilter/nfnetlink_conntrack.h.
#pragma once

#include <cstdint>
#include <set>
#include <utility>

#include "common/base/addr.h"
#include "common/base/result.h"

namespace sluice::host {

// Forgets what is known of UDP to these addresses and ports, as its senders call them.
Status forget_udp_to(const std::set<std::pair<Ipv4, std::uint16_t>>& destinations);

}  // namespace sluice::host
