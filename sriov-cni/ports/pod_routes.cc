// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/pod_routes.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <optional>

namespace sluice::cni {
namespace {

std::optional<IpAddr> first_gateway(const CniResult& result, bool v6) {
  for (const auto& address : result.addresses) {
    if (address.address.address.v6 == v6 && address.gateway) return address.gateway;
  }
  return std::nullopt;
}

bool is_on_link(const CniRoute& route) { return route.scope && *route.scope >= RT_SCOPE_LINK; }

// Whether the result itself says that it is on the link: the kernel may have the same of another
// interface, and would look for the gateway there.
bool is_neighbour(const CniResult& result, const IpAddr& gateway) {
  return std::any_of(result.routes.begin(), result.routes.end(), [&](const CniRoute& route) {
    return is_on_link(route) && !route.gateway && route.destination.contains(gateway);
  });
}

}  // namespace

std::vector<netlink::IpRoute> pod_routes(const CniResult& result, netlink::IfIndex link) {
  std::vector<netlink::IpRoute> out;
  for (const auto& route : result.routes) {
    const bool v6 = route.destination.address.v6;
    netlink::IpRoute one;
    one.destination = {route.destination.network(), route.destination.length};
    one.gateway = route.gateway;
    if (!one.gateway && !is_on_link(route)) one.gateway = first_gateway(result, v6);
    one.onlink = one.gateway && is_neighbour(result, *one.gateway);
    one.link = link;
    one.mtu = route.mtu;
    one.advmss = route.advmss;
    one.priority = route.priority;
    one.table = route.table;
    if (!v6) one.scope = route.scope;  // IPv6 has one scope only
    out.push_back(one);
  }
  std::stable_partition(out.begin(), out.end(),
                        [](const netlink::IpRoute& route) { return !route.gateway; });
  return out;
}

}  // namespace sluice::cni
