// SPDX-License-Identifier: Apache-2.0
// Rtnl: IPv4 routes.
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/netlink/rtnl_impl.h"

namespace sluice::netlink {
namespace {

std::string name_of(const Route& route) {
  std::string name = "route " + route.destination.to_string();
  if (route.gateway) name += " via " + route.gateway->to_string();
  return name + on_link(route.link) + " in table " + std::to_string(route.table);
}

Status put_route(MessageWriter& message, const Route& route, rtmsg header) {
  if (route.destination.length > 32 ||
      (route.destination.address.value & ~route.destination.mask()) != 0) {
    return fail(Code::kInvalid, name_of(route) + ": the destination is no prefix of 0 to 32 bits");
  }
  header.rtm_family = AF_INET;
  header.rtm_dst_len = route.destination.length;
  // Tables beyond 255 are in the attribute only.
  header.rtm_table = RT_TABLE_UNSPEC;
  message.put_struct(header);
  message.put_number(RTA_TABLE, route.table);
  if (route.destination.length > 0) message.put_ipv4(RTA_DST, route.destination.address);
  if (route.gateway) message.put_ipv4(RTA_GATEWAY, *route.gateway);
  if (route.link.value != 0) message.put_number(RTA_OIF, route.link.value);
  return {};
}

}  // namespace

Status Rtnl::replace_route(const Route& route) {
  rtmsg header{};
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_type = RTN_UNICAST;
  // What has no gateway is on the link; with a wider scope nothing could be reached through it.
  header.rtm_scope = route.link_scope || !route.gateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  header.rtm_flags = route.onlink ? RTNH_F_ONLINK : 0;
  MessageWriter message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  SLUICE_CHECK_OK(put_route(message, route, header));
  if (route.preferred_source) message.put_ipv4(RTA_PREFSRC, *route.preferred_source);
  if (route.mtu) {
    const auto metrics = message.begin(RTA_METRICS | NLA_F_NESTED);
    message.put_number(RTAX_MTU, *route.mtu);
    message.end(metrics);
  }
  return impl_->change(message, "replace " + name_of(route));
}

Status Rtnl::delete_route(const Route& route) {
  rtmsg header{};
  header.rtm_scope = RT_SCOPE_NOWHERE;  // any
  MessageWriter message(RTM_DELROUTE, 0);
  SLUICE_CHECK_OK(put_route(message, route, header));
  return impl_->change(message, "delete " + name_of(route), {ESRCH, ENODEV});
}

Result<std::vector<Route>> Rtnl::routes(std::uint32_t table) {
  rtmsg header{};
  header.rtm_family = AF_INET;
  MessageWriter message(RTM_GETROUTE, 0);
  message.put_struct(header);
  message.put_number(RTA_TABLE, table);
  const auto replies =
      impl_->transport.dump(message, "list routes of table " + std::to_string(table));
  if (!replies) {
    // A table comes into being with its first route.
    const Error& error = replies.error();
    if (error.domain == Domain::kKernel && error.native == ENOENT) return std::vector<Route>{};
    return fail(error);
  }
  SLUICE_TRY(auto all, decode_all<Route>(*replies, decode_route));
  std::erase_if(all, [&](const Route& route) { return route.table != table; });
  return all;
}

Result<RouteLookup> Rtnl::lookup_route(Ipv4 destination) {
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_dst_len = 32;
  MessageWriter message(RTM_GETROUTE, 0);
  message.put_struct(header);
  message.put_ipv4(RTA_DST, destination);
  const std::string what = "look up the route to " + destination.to_string();
  SLUICE_TRY(const auto replies, impl_->transport.request(message, what));
  auto found = decode_all<RouteLookup>(replies, decode_lookup);
  if (!found) return fail(std::move(found).error().with(what));
  if (found->empty()) return fail(Code::kNotFound, what + ": the answer is empty");
  return found->front();
}

}  // namespace sluice::netlink
