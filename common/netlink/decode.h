// SPDX-License-Identifier: Apache-2.0
// rtnetlink messages to value types: pure functions of bytes. Internal to common/netlink and its
// tests.
//
// Contract: nothing for a message that is well-formed but not about what was asked (another address
// family, a bridge's view of a port, a cached route). An attribute of the wrong size counts as
// absent. Malformed (too short, attributes that overrun): an Error.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "common/netlink/message.h"
#include "common/netlink/rtnetlink.h"

namespace sluice::netlink {

// "netlink message about <what> is malformed"
tl::unexpected<Error> malformed(const char* what);

// Behind the fixed struct, which the caller has found to be there.
template <class T>
AttributeReader attributes_of(const Message& message) {
  constexpr std::size_t kAligned = (sizeof(T) + 3U) & ~std::size_t{3};
  return AttributeReader(message.payload.subspan(std::min(kAligned, message.payload.size())));
}

Result<std::optional<Link>> decode_link(const Message& message);
Result<std::optional<Address>> decode_address(const Message& message);
Result<std::optional<Route>> decode_route(const Message& message);  // unicast routes
Result<std::optional<RouteLookup>> decode_lookup(const Message& message);
Result<std::optional<Neighbour>> decode_neighbour(const Message& message);

Result<std::optional<IpAddress>> decode_ip_address(const Message& message);
// A unicast route's next hops.
Result<std::optional<std::vector<IpRoute>>> decode_ip_routes(const Message& message);

// Calls the handler that a message of a multicast group is for.
Status deliver_event(const Message& message, const MonitorHandlers& handlers);

}  // namespace sluice::netlink
