// SPDX-License-Identifier: Apache-2.0
// Tells the neighbours where an address is now: gratuitous ARP, and an unsolicited neighbour
// advertisement.
//
// Contract: never stalls the caller. With carrier the frames are sent at once; without it a
// detached child process waits for it by netlink event, at most 3 s, sends, and ends: short,
// because its sockets keep the namespace alive. The child has none of the caller's descriptors but
// the sockets. Failing to announce fails nothing: the status is for the log. Source: RFC 826 and
// RFC 5227 section 3 (ARP announcement), RFC 4861 section 7.2.6 (unsolicited neighbour
// advertisement: override flag, hop limit 255, to ff02::1).
#pragma once

#include <string>
#include <vector>

#include "common/base/addr.h"
#include "common/base/ip.h"
#include "common/base/result.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/netns.h"

namespace sluice::cni {

Status announce(const os::NetNs& pod, netlink::IfIndex link, const MacAddr& mac,
                const std::vector<IpAddr>& addresses);

}  // namespace sluice::cni
