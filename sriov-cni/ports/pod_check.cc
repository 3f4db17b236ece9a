// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "common/netlink/rtnetlink.h"
#include "sriov-cni/ports/pod_routes.h"
#include "sriov-cni/ports/pod_side.h"

namespace sluice::cni {
namespace {

using netlink::IpAddress;
using netlink::IpRoute;

constexpr std::uint32_t kMainTable = 254;

// What wasn't asked for may be anything.
template <class T>
bool fits(const std::optional<T>& wanted, const std::optional<T>& now) {
  return !wanted || wanted == now;
}

bool is_route(const IpRoute& wanted, const IpRoute& now) {
  return wanted.destination.network() == now.destination.network() &&
         wanted.destination.length == now.destination.length && wanted.gateway == now.gateway &&
         wanted.table.value_or(kMainTable) == now.table.value_or(kMainTable) &&
         fits(wanted.priority, now.priority) && fits(wanted.mtu, now.mtu) &&
         fits(wanted.advmss, now.advmss);
}

void compare_addresses(const CniResult& wanted, const std::vector<IpAddress>& now,
                       const std::string& interface, std::vector<std::string>& out) {
  for (const auto& address : wanted.addresses) {
    const auto found = std::find_if(now.begin(), now.end(), [&](const IpAddress& candidate) {
      return candidate.ip == address.address;
    });
    if (found == now.end()) {
      out.push_back("address " + address.address.to_string() + " isn't on " + interface);
    } else if (found->dad_failed) {
      out.push_back("address " + address.address.to_string() + " of " + interface +
                    " is somebody else's too (duplicate address detection)");
    }
  }
}

std::string describe(const IpRoute& route) {
  return route.destination.to_string() +
         (route.gateway ? " by " + route.gateway->to_string() : std::string()) +
         (route.table ? " in table " + std::to_string(*route.table) : std::string());
}

}  // namespace

Result<std::vector<std::string>> check_pod(const os::NetNs& pod, const std::string& interface,
                                           const CniResult& addresses) {
  SLUICE_TRY(auto there, netlink::Rtnl::open_in(pod));
  std::vector<std::string> out;
  SLUICE_TRY(const auto loopback, there.link("lo"));
  if (!loopback.up) out.push_back("lo is down");
  const auto link = there.link(interface);
  if (!link && link.error().code != Code::kNotFound) return fail(link.error());
  if (!link) {
    out.push_back("the pod has no " + interface);
    return out;
  }
  if (!link->up) out.push_back(interface + " is down");
  SLUICE_TRY(const auto present, there.ip_addresses(link->index));
  compare_addresses(addresses, present, interface, out);
  SLUICE_TRY(const auto routes, there.ip_routes(link->index));
  for (const auto& wanted : pod_routes(addresses, link->index)) {
    const bool found = std::any_of(routes.begin(), routes.end(), [&](const IpRoute& candidate) {
      return is_route(wanted, candidate);
    });
    if (!found) out.push_back("the route " + describe(wanted) + " is missing");
  }
  return out;
}

}  // namespace sluice::cni
