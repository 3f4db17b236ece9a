// SPDX-License-Identifier: Apache-2.0
// The frames that announce an address, whole, from the Ethernet header on.
//
// Source: RFC 826 and RFC 5227 section 3 (ARP announcement: a request by broadcast with the address
// as sender and target), RFC 4861 sections 4.4 and 7.2.6 (neighbour advertisement).
#pragma once

#include <cstdint>
#include <vector>

#include "common/base/addr.h"
#include "common/base/ip.h"

namespace sluice::cni {

std::vector<std::uint8_t> announcement(const MacAddr& mac, const IpAddr& address);

}  // namespace sluice::cni
