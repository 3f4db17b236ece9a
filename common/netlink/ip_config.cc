// SPDX-License-Identifier: Apache-2.0
// Rtnl: addresses and routes of both families.
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "common/netlink/rtnl_impl.h"

namespace sluice::netlink {
namespace {

constexpr std::uint8_t kFamilies[] = {AF_INET, AF_INET6};

std::uint8_t family_of(const IpAddr& ip) { return ip.v6 ? AF_INET6 : AF_INET; }

std::string name_of(const IpAddress& address) {
  return "address " + address.ip.to_string() + on_link(address.link);
}

std::string name_of(const IpRoute& route) {
  std::string name = "route " + route.destination.to_string();
  if (route.gateway) name += " via " + route.gateway->to_string();
  return name + on_link(route.link);
}

Status check_length(const IpPrefix& prefix, const std::string& name) {
  if (prefix.length <= prefix.address.width()) return {};
  return fail(Code::kInvalid, name + ": prefix length " + std::to_string(prefix.length) +
                                  " is not allowed; 0 to " +
                                  std::to_string(prefix.address.width()) + " are");
}

Result<Transport::BatchRequest> add_request(const IpAddress& address) {
  const std::string name = name_of(address);
  SLUICE_CHECK_OK(check_length(address.ip, name));
  ifaddrmsg header{};
  header.ifa_family = family_of(address.ip.address);
  header.ifa_prefixlen = address.ip.length;
  header.ifa_index = address.link.value;
  MessageWriter message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  message.put_struct(header);
  message.put_ip(IFA_LOCAL, address.ip.address);
  message.put_ip(IFA_ADDRESS, address.ip.address);
  const std::uint32_t flags =
      (address.no_dad ? IFA_F_NODAD : 0U) | (address.optimistic ? IFA_F_OPTIMISTIC : 0U);
  if (address.ip.address.v6 && flags != 0) message.put_number(IFA_FLAGS, flags);
  return Transport::BatchRequest{std::move(message), "add " + name};
}

void put_metrics(MessageWriter& message, const IpRoute& route) {
  if (!route.mtu && !route.advmss) return;
  const auto metrics = message.begin(RTA_METRICS | NLA_F_NESTED);
  if (route.mtu) message.put_number(RTAX_MTU, *route.mtu);
  if (route.advmss) message.put_number(RTAX_ADVMSS, *route.advmss);
  message.end(metrics);
}

Result<Transport::BatchRequest> add_request(const IpRoute& route) {
  const std::string name = name_of(route);
  const IpAddr& destination = route.destination.address;
  SLUICE_CHECK_OK(check_length(route.destination, name));
  if (route.gateway && route.gateway->v6 != destination.v6) {
    return fail(Code::kInvalid, name + ": the gateway is not of the destination's address family");
  }
  rtmsg header{};
  header.rtm_family = family_of(destination);
  header.rtm_dst_len = route.destination.length;
  header.rtm_table = RT_TABLE_UNSPEC;  // those beyond 255 are in the attribute only
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_type = RTN_UNICAST;
  // What has no gateway is on the link; with a wider scope nothing could be reached through it.
  const bool on_the_link = !route.gateway && !destination.v6;
  header.rtm_scope = route.scope.value_or(on_the_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
  header.rtm_flags = route.onlink ? RTNH_F_ONLINK : 0;
  MessageWriter message(RTM_NEWROUTE, NLM_F_CREATE | (route.beside ? 0 : NLM_F_EXCL));
  message.put_struct(header);
  message.put_number(RTA_TABLE, route.table.value_or(RT_TABLE_MAIN));
  if (route.destination.length > 0) message.put_ip(RTA_DST, route.destination.network());
  if (route.gateway) message.put_ip(RTA_GATEWAY, *route.gateway);
  if (route.link.value != 0) message.put_number(RTA_OIF, route.link.value);
  if (route.priority) message.put_number(RTA_PRIORITY, *route.priority);
  put_metrics(message, route);
  return Transport::BatchRequest{std::move(message), "add " + name};
}

constexpr std::uint32_t kIpv6Priority = 1024;  // IP6_RT_PRIO_USER

std::uint32_t priority_of(const IpRoute& route) {
  const auto given = route.priority.value_or(0);
  return given == 0 && route.destination.address.v6 ? kIpv6Priority : given;
}

// Where the kernel takes one route only, whatever its gateway and link, but for those beside it.
bool has_same_place(const IpRoute& one, const IpRoute& other) {
  return one.destination.network() == other.destination.network() &&
         one.destination.length == other.destination.length &&
         one.table.value_or(RT_TABLE_MAIN) == other.table.value_or(RT_TABLE_MAIN) &&
         priority_of(one) == priority_of(other);
}

bool leads_as(const IpRoute& wanted, const IpRoute& present) {
  return wanted.gateway == present.gateway &&
         (wanted.link.value == 0 || wanted.link == present.link);
}

std::string where_to(Rtnl& rtnl, const IpRoute& route) {
  const auto link = rtnl.link(route.link);
  return (link ? "on link " + link->name : on_link(route.link).substr(1)) +
         (route.gateway ? " via " + route.gateway->to_string() : std::string());
}

// `refused`: that the kernel has the like of already. Success: each is there as it is wanted.
Status check_same(Rtnl& rtnl, const std::vector<IpRoute>& refused) {
  if (refused.empty()) return {};
  SLUICE_TRY(const auto all, rtnl.ip_routes({}));
  std::string conflicts;
  for (const auto& wanted : refused) {
    std::string taken;
    bool same = false;
    for (const auto& present : all) {
      if (!has_same_place(wanted, present)) continue;
      same = same || leads_as(wanted, present);
      taken += (taken.empty() ? "" : ", ") + where_to(rtnl, present);
    }
    if (same) continue;
    if (taken.empty()) taken = "of another kind";
    conflicts += (conflicts.empty() ? "add " : "; add ") + name_of(wanted) + ": there is one to " +
                 wanted.destination.to_string() + " already, " + taken;
  }
  if (conflicts.empty()) return {};
  return fail(Code::kExists, conflicts);
}

bool is_number(const Error& error, std::initializer_list<int> numbers) {
  return error.domain == Domain::kKernel &&
         std::find(numbers.begin(), numbers.end(), error.native) != numbers.end();
}

// A gateway that isn't reached by the link won't be later: elsewhere these say that a network is
// down.
Error lasting(Error error) {
  if (!is_number(error, {ENETUNREACH, EHOSTUNREACH})) return error;
  error.code = Code::kPrecondition;
  error.retry = Retry::kNever;
  return error;
}

// A kernel without strict checking answers with those of all links, one without IPv6 with those of
// all families.
bool asked_for(IfIndex wanted, std::uint8_t family, IfIndex link, const IpAddr& ip) {
  return (wanted.value == 0 || link == wanted) && family == family_of(ip);
}

}  // namespace

Result<std::vector<IpAddress>> Rtnl::ip_addresses(IfIndex link) {
  std::vector<IpAddress> found;
  for (const std::uint8_t family : kFamilies) {
    ifaddrmsg header{};
    header.ifa_family = family;
    header.ifa_index = link.value;
    MessageWriter message(RTM_GETADDR, 0);
    message.put_struct(header);
    SLUICE_TRY(const auto replies,
               impl_->transport.dump(message, "list addresses" + on_link(link)));
    SLUICE_TRY(const auto some, decode_all<IpAddress>(replies, decode_ip_address));
    std::copy_if(some.begin(), some.end(), std::back_inserter(found), [&](const IpAddress& one) {
      return asked_for(link, family, one.link, one.ip.address);
    });
  }
  return found;
}

Result<std::vector<IpRoute>> Rtnl::ip_routes(IfIndex link) {
  std::vector<IpRoute> found;
  for (const std::uint8_t family : kFamilies) {
    rtmsg header{};
    header.rtm_family = family;
    MessageWriter message(RTM_GETROUTE, 0);
    message.put_struct(header);
    if (link.value != 0) message.put_number(RTA_OIF, link.value);
    SLUICE_TRY(const auto replies, impl_->transport.dump(message, "list routes" + on_link(link)));
    SLUICE_TRY(const auto some, decode_all<std::vector<IpRoute>>(replies, decode_ip_routes));
    for (const auto& hops : some) {
      std::copy_if(hops.begin(), hops.end(), std::back_inserter(found), [&](const IpRoute& one) {
        return asked_for(link, family, one.link, one.destination.address);
      });
    }
  }
  return found;
}

Status Rtnl::configure(const std::vector<IpAddress>& addresses,
                       const std::vector<IpRoute>& routes) {
  std::vector<Transport::BatchRequest> requests;
  for (const auto& address : addresses) {
    SLUICE_TRY(auto request, add_request(address));
    requests.push_back(std::move(request));
  }
  for (const auto& route : routes) {
    SLUICE_TRY(auto request, add_request(route));
    requests.push_back(std::move(request));
  }
  SLUICE_TRY(const auto outcomes, impl_->transport.batch(std::move(requests)));
  std::vector<IpRoute> refused;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i]) continue;
    const auto& error = outcomes[i].error();
    if (!is_number(error, {EEXIST})) return fail(i < addresses.size() ? error : lasting(error));
    if (i >= addresses.size()) refused.push_back(routes[i - addresses.size()]);
  }
  return check_same(*this, refused);
}

}  // namespace sluice::netlink
