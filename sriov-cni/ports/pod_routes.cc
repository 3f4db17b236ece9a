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

}  // namespace

std::vector<netlink::IpRoute> pod_routes(const CniResult& result, netlink::IfIndex link) {
  std::vector<netlink::IpRoute> out;
  for (const auto& route : result.routes) {
    const bool v6 = route.destination.address.v6;
    const bool on_link = route.scope && *route.scope >= RT_SCOPE_LINK;
    netlink::IpRoute one;
    one.destination = {route.destination.network(), route.destination.length};
    one.gateway = route.gateway;
    if (!one.gateway && !on_link) one.gateway = first_gateway(result, v6);
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
