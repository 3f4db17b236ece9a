// SPDX-License-Identifier: Apache-2.0
// Ranges of addresses, and which address is next.
//
// Contract: work grows with what is in the way, never with the size of a range.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/ip.h"

namespace sluice::cni {

struct AddressRange {
  IpPrefix subnet;     // host bits zero
  IpAddr first, last;  // both included
  std::optional<IpAddr> gateway;
  bool contains(const IpAddr& ip) const { return ip.v6 == first.v6 && first <= ip && ip <= last; }
};

// Of which an attachment gets one address.
using RangeSet = std::vector<AddressRange>;

// All of a subnet that a host can have: not the network's and the broadcast address, unless there
// are no others (RFC 3021, RFC 6164). IPv6 has no broadcast; its first is the routers' (RFC 4291).
AddressRange whole_subnet(const IpPrefix& subnet);

// If `ip` can't be given: the last address, from it on, of which that is known.
using Obstacle = std::function<std::optional<IpAddr>(const IpAddr& ip)>;

// The first one after `last` without an obstacle, wrapping around once.
std::optional<IpAddr> next_free(const RangeSet& set, const std::optional<IpAddr>& last,
                                const Obstacle& obstacle);

// "10.0.0.2-10.0.0.14, 10.0.1.1"
std::string to_string(const RangeSet& set);

}  // namespace sluice::cni
