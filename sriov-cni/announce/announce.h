// SPDX-License-Identifier: Apache-2.0
// Tells the neighbours where an address is now: gratuitous ARP, and an unsolicited neighbour
// advertisement.
//
// Contract: the link has the addresses. Never stalls the caller. With carrier all is sent at once;
// without it a detached child process waits for it by netlink event, at most 3 s, sends, and ends:
// short, because it keeps the namespace alive. The child has none of the caller's descriptors but
// the namespace's. IPv4 addresses are announced by the kernel, as closing a packet socket waits for
// a grace period of RCU (tens of milliseconds); IPv6 ones, and further ones in one IPv4 network, by
// such a socket. Failing to announce fails nothing: the status is for the log.
// Source: RFC 826 and RFC 5227 section 3 (ARP announcement), RFC 4861 section 7.2.6 (unsolicited
// neighbour advertisement: override flag, hop limit 255, to ff02::1); net/packet/af_packet.c
// (packet_release).
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
                const std::vector<IpPrefix>& addresses);

}  // namespace sluice::cni
