// SPDX-License-Identifier: Apache-2.0
// A leg over a netdev: AF_PACKET with a receive ring and vnet_hdr, so that checksum and
// segmentation offloads of the other end stay in force.
//
// Contract: receives what comes in by the netdev, never what goes out by it. A VLAN tag that the
// kernel has taken off is put back. What doesn't fit a ring slot (GSO) comes by the socket's queue,
// in order, so memory is about kRingBytes a leg and grows only under load. Errors: opening fails
// with Code::kPermission without CAP_NET_RAW, Code::kNotFound without netdev. Source of the rules:
// Documentation/networking/packet_mmap.rst, net/packet/af_packet.c.
#pragma once

#include <cstddef>
#include <memory>

#include "common/base/result.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/netns.h"
#include "offload/legs/leg.h"

namespace sluice::legs {

struct PacketLegOptions {
  std::uint32_t mtu = 1500;  // of the netdev: a frame of this size fits a ring slot
};

inline constexpr std::size_t kRingBytes = std::size_t{4} << 20U;

// Opens it on the netdev with that index in that namespace; the leg may be used from any.
Result<std::unique_ptr<Leg>> open_packet_leg(const os::NetNs& netns, netlink::IfIndex link,
                                             const PacketLegOptions& options);

}  // namespace sluice::legs
