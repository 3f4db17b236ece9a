// SPDX-License-Identifier: Apache-2.0
// Default routes as rtnetlink tells them: pure functions of bytes. Internal to common/netlink and
// its tests.
//
// Contract: as decode.h. A default route is one with a prefix of no bits, whether its destination
// is absent or written out as zero.
#pragma once

#include <optional>
#include <vector>

#include "common/netlink/message.h"
#include "common/netlink/rtnetlink.h"

namespace sluice::netlink {

// Nothing for other routes, and for those that lead nowhere (unreachable, blackhole).
Result<std::optional<DefaultRoute>> decode_default_route(const Message& message);

// A nexthop object: {its id, its link, or the ids of its group}.
struct NexthopObject {
  std::uint32_t id = 0;
  IfIndex link;
  std::vector<std::uint32_t> group;
};
Result<std::optional<NexthopObject>> decode_nexthop(const Message& message);

// The links that object `id` leads out by, through groups.
std::vector<IfIndex> links_of(const std::vector<NexthopObject>& objects, std::uint32_t id);

}  // namespace sluice::netlink
