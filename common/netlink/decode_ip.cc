// SPDX-License-Identifier: Apache-2.0
// The half of decode.h that is about addresses and routes of both families.
// Source: include/uapi/linux/rtnetlink.h (struct rtnexthop).
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "common/netlink/decode.h"

namespace sluice::netlink {
namespace {

// AF_INET: false, AF_INET6: true.
std::optional<bool> is_v6(std::uint8_t family) {
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  return family == AF_INET6;
}

std::optional<IpAddr> address_of(const Attribute& attribute, bool v6) {
  const auto ip = attribute.ip();
  return ip && ip->v6 == v6 ? ip : std::nullopt;
}

void take_metrics(Bytes metrics, IpRoute& route) {
  AttributeReader reader(metrics);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == RTAX_MTU) route.mtu = attribute.number<std::uint32_t>();
    if (attribute.type == RTAX_ADVMSS) route.advmss = attribute.number<std::uint32_t>();
  }
}

void take_route_attribute(const Attribute& attribute, bool v6, IpRoute& route) {
  switch (attribute.type) {
    case RTA_DST:
      if (const auto ip = address_of(attribute, v6)) route.destination.address = *ip;
      break;
    case RTA_GATEWAY:
      route.gateway = address_of(attribute, v6);
      break;
    case RTA_OIF:
      route.link.value = attribute.number<std::uint32_t>().value_or(0);
      break;
    case RTA_PRIORITY:
      route.priority = attribute.number<std::uint32_t>();
      break;
    case RTA_TABLE:
      if (const auto table = attribute.number<std::uint32_t>()) route.table = table;
      break;
    case RTA_METRICS:
      take_metrics(attribute.data, route);
      break;
    default:
      break;
  }
}

constexpr std::size_t kMaxNexthops = 1024;  // more than any route has
constexpr std::size_t align(std::size_t size) { return (size + 3U) & ~std::size_t{3}; }

// RTA_MULTIPATH: struct rtnexthop, each with attributes of its own behind it. `route`: what they
// have in common. Unset: malformed, or next hops that IpRoute can't express (of the other family).
std::optional<std::vector<IpRoute>> hops_of(Bytes bytes, bool v6, const IpRoute& route) {
  std::vector<IpRoute> hops;
  while (!bytes.empty() && hops.size() < kMaxNexthops) {
    const auto header = read_struct<rtnexthop>(bytes);
    if (!header || header->rtnh_len < sizeof *header || header->rtnh_len > bytes.size()) {
      return std::nullopt;
    }
    IpRoute& hop = hops.emplace_back(route);
    hop.link.value = static_cast<std::uint32_t>(std::max(header->rtnh_ifindex, 0));
    hop.onlink = (header->rtnh_flags & RTNH_F_ONLINK) != 0;
    AttributeReader reader(bytes.subspan(sizeof *header, header->rtnh_len - sizeof *header));
    for (Attribute attribute; reader.next(attribute);) {
      if (attribute.type == RTA_VIA) return std::nullopt;
      if (attribute.type == RTA_GATEWAY) hop.gateway = address_of(attribute, v6);
    }
    if (reader.malformed()) return std::nullopt;
    bytes = bytes.subspan(std::min(align(header->rtnh_len), bytes.size()));
  }
  return hops;
}

}  // namespace

Result<std::optional<IpAddress>> decode_ip_address(const Message& message) {
  const auto header = read_struct<ifaddrmsg>(message.payload);
  if (!header) return malformed("an address");
  const auto v6 = is_v6(header->ifa_family);
  if (!v6) return std::nullopt;
  std::uint32_t flags = header->ifa_flags;
  std::optional<IpAddr> local, peer;
  auto reader = attributes_of<ifaddrmsg>(message);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == IFA_LOCAL) local = address_of(attribute, *v6);
    if (attribute.type == IFA_ADDRESS) peer = address_of(attribute, *v6);
    // The header has room for eight of them only.
    if (attribute.type == IFA_FLAGS) flags = attribute.number<std::uint32_t>().value_or(flags);
  }
  // On a point-to-point link IFA_ADDRESS is the other end's.
  if (!local) local = peer;
  if (reader.malformed() || !local || header->ifa_prefixlen > local->width()) {
    return malformed("an address");
  }
  IpAddress address;
  address.link.value = header->ifa_index;
  address.ip = {*local, header->ifa_prefixlen};
  if (*v6) {
    address.no_dad = (flags & IFA_F_NODAD) != 0;
    address.optimistic = (flags & IFA_F_OPTIMISTIC) != 0;
    address.tentative = (flags & IFA_F_TENTATIVE) != 0;
    address.dad_failed = (flags & IFA_F_DADFAILED) != 0;
  }
  return address;
}

Result<std::optional<std::vector<IpRoute>>> decode_ip_routes(const Message& message) {
  const auto header = read_struct<rtmsg>(message.payload);
  if (!header) return malformed("a route");
  const auto v6 = is_v6(header->rtm_family);
  const bool cached = (header->rtm_flags & RTM_F_CLONED) != 0;
  if (!v6 || header->rtm_type != RTN_UNICAST || cached) return std::nullopt;
  IpRoute route;
  route.destination.address.v6 = *v6;
  route.destination.length = header->rtm_dst_len;
  if (route.destination.length > route.destination.address.width()) return malformed("a route");
  route.table = header->rtm_table;
  route.scope = header->rtm_scope;
  route.onlink = (header->rtm_flags & RTNH_F_ONLINK) != 0;
  std::optional<Bytes> several;
  bool expressible = true;
  auto reader = attributes_of<rtmsg>(message);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == RTA_MULTIPATH) several = attribute.data;
    if (attribute.type == RTA_VIA) expressible = false;  // a next hop of the other family
    take_route_attribute(attribute, *v6, route);
  }
  if (reader.malformed()) return malformed("a route");
  if (!expressible) return std::nullopt;
  route.destination.address = route.destination.network();
  if (several) return hops_of(*several, *v6, route);
  return std::vector<IpRoute>{route};
}

}  // namespace sluice::netlink
