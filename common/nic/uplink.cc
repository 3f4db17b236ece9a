// SPDX-License-Identifier: Apache-2.0
#include "common/nic/uplink.h"

#include <algorithm>
#include <set>

namespace sluice::nic {
namespace {

using netlink::IfIndex;
using netlink::Link;

const Link* find(const std::vector<Link>& links, IfIndex index) {
  const auto found = std::find_if(links.begin(), links.end(),
                                  [&](const Link& link) { return link.index == index; });
  return found == links.end() ? nullptr : &*found;
}

// The links that `upper` sends by.
std::vector<const Link*> lower_links(const std::vector<Link>& links, const Link& upper) {
  std::vector<const Link*> lower;
  // An internal port of Open vSwitch is a port like those that lead outside.
  const bool internal_port = upper.kind == "openvswitch" && upper.master.value != 0;
  for (const auto& link : links) {
    const bool port = link.master.value != 0 && (link.master == upper.index ||
                                                 (internal_port && link.master == upper.master));
    if (port && link.index != upper.index) lower.push_back(&link);
  }
  // IFLA_LINK: of a veth it is the other end; with a namespace beside it, an index of there.
  if (upper.kind != "veth" && !upper.peer_netns && upper.peer != upper.index) {
    if (const Link* const below = find(links, upper.peer)) lower.push_back(below);
  }
  return lower;
}

}  // namespace

Uplinks uplinks_of(const std::vector<netlink::DefaultRoute>& routes,
                   const std::vector<Link>& links) {
  Uplinks uplinks;
  for (const auto& route : routes) {
    const std::string what =
        route.ipv6 ? "carries the IPv6 default route" : "carries the default route";
    std::set<IfIndex> seen;
    for (const auto index : route.links) {
      const Link* const top = find(links, index);
      if (top == nullptr) continue;  // gone between the two lists
      uplinks.emplace(top->name, what);
      seen.insert(index);
      std::vector<const Link*> rest{top};
      while (!rest.empty()) {
        const Link* const upper = rest.back();
        rest.pop_back();
        for (const Link* const lower : lower_links(links, *upper)) {
          if (!seen.insert(lower->index).second) continue;
          uplinks.emplace(lower->name, what + " by " + top->name);
          rest.push_back(lower);
        }
      }
    }
  }
  return uplinks;
}

Result<Uplinks> node_uplinks(netlink::Rtnl& rtnl) {
  auto routes = rtnl.default_routes();
  if (!routes) return fail(std::move(routes).error().with("looking for the node's uplinks"));
  if (routes->empty()) return Uplinks{};
  auto links = rtnl.links();
  if (!links) return fail(std::move(links).error().with("looking for the node's uplinks"));
  return uplinks_of(*routes, *links);
}

}  // namespace sluice::nic
