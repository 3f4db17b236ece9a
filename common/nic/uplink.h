// SPDX-License-Identifier: Apache-2.0
// Which netdevs carry the node's own traffic: those of its default routes, and what they stand on.
//
// Contract: IPv4 and IPv6, the tables main and default, all next hops of a multipath route; from
// there down through bond, team, bridge, VRF and Open vSwitch (their ports) and through VLAN,
// macvlan and tunnels (the link below). A veth's peer is no lower link. Every netdev on the way is
// named, so that a function is found by whichever of its netdevs is there.
// What is not seen: a next hop of a policy table, and of an Open vSwitch bridge only that its
// datapath's ports are all meant, not which of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/netlink/rtnetlink.h"

namespace sluice::nic {

// Name of the netdev -> why, for people: "carries the default route", "carries the IPv6 default
// route by bond0".
using Uplinks = std::map<std::string, std::string>;

Uplinks uplinks_of(const std::vector<netlink::DefaultRoute>& routes,
                   const std::vector<netlink::Link>& links);

// Of the namespace that `rtnl` was opened in, which must be the node's.
Result<Uplinks> node_uplinks(netlink::Rtnl& rtnl);

}  // namespace sluice::nic
