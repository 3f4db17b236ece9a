// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/decode.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

namespace sluice::netlink {
namespace {

template <class T, class U>
void assign(U& into, const std::optional<T>& value) {
  if (value) into = static_cast<U>(*value);
}

std::string kind_of(Bytes link_info) {
  AttributeReader reader(link_info);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == IFLA_INFO_KIND) return attribute.text();
  }
  return {};
}

void take_altnames(Bytes properties, Link& link) {
  AttributeReader reader(properties);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == IFLA_ALT_IFNAME) link.altnames.push_back(attribute.text());
  }
}

bool has_program(Bytes xdp) {
  AttributeReader reader(xdp);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type != IFLA_XDP_ATTACHED) continue;
    return attribute.number<std::uint8_t>().value_or(XDP_ATTACHED_NONE) != XDP_ATTACHED_NONE;
  }
  return false;
}

// What a SETLINK can change beyond the name and the address.
void take_link_setting(const Attribute& attribute, Link& link) {
  switch (attribute.type) {
    case IFLA_PROMISCUITY:
      assign(link.promiscuity, attribute.number<std::uint32_t>());
      break;
    case IFLA_PROP_LIST:
      take_altnames(attribute.data, link);
      break;
    case IFLA_QDISC:
      link.qdisc = attribute.text();
      break;
    case IFLA_GROUP:
      assign(link.group, attribute.number<std::uint32_t>());
      break;
    case IFLA_TXQLEN:
      assign(link.tx_queue_length, attribute.number<std::uint32_t>());
      break;
    case IFLA_XDP:
      link.xdp = has_program(attribute.data);
      break;
    default:
      break;
  }
}

void take_link_attribute(const Attribute& attribute, Link& link) {
  switch (attribute.type) {
    case IFLA_IFNAME:
      link.name = attribute.text();
      break;
    case IFLA_IFALIAS:
      link.alias = attribute.text();
      break;
    case IFLA_LINKINFO:
      link.kind = kind_of(attribute.data);
      break;
    case IFLA_ADDRESS:
      assign(link.mac, attribute.mac());
      break;
    case IFLA_MTU:
      assign(link.mtu, attribute.number<std::uint32_t>());
      break;
    case IFLA_CARRIER:
      link.carrier = attribute.number<std::uint8_t>().value_or(0) != 0;
      break;
    case IFLA_OPERSTATE:
      assign(link.oper_state, attribute.number<std::uint8_t>());
      break;
    case IFLA_LINK:
      assign(link.peer.value, attribute.number<std::uint32_t>());
      break;
    case IFLA_LINK_NETNSID:
      link.peer_netns = attribute.number<std::int32_t>();
      break;
    case IFLA_MASTER:
      assign(link.master.value, attribute.number<std::uint32_t>());
      break;
    case IFLA_PARENT_DEV_NAME:
      link.parent = attribute.text();
      break;
    default:
      take_link_setting(attribute, link);
      break;
  }
}

std::optional<std::uint32_t> mtu_metric(Bytes metrics) {
  AttributeReader reader(metrics);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == RTAX_MTU) return attribute.number<std::uint32_t>();
  }
  return std::nullopt;
}

}  // namespace

tl::unexpected<Error> malformed(const char* what) {
  return fail(Error{Code::kInvalid,
                    Domain::kProtocol,
                    0,
                    std::string("netlink message about ") + what + " is malformed",
                    {},
                    Retry::kLater});
}

Result<std::optional<Link>> decode_link(const Message& message) {
  const auto header = read_struct<ifinfomsg>(message.payload);
  if (!header) return malformed("a link");
  // AF_BRIDGE: the same link as its bridge sees it. A DELLINK of that kind means "left the bridge".
  if (header->ifi_family != AF_UNSPEC) return std::nullopt;
  if (header->ifi_index <= 0) return malformed("a link");
  Link link;
  link.index.value = static_cast<std::uint32_t>(header->ifi_index);
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.promiscuous = (header->ifi_flags & IFF_PROMISC) != 0;
  link.all_multicast = (header->ifi_flags & IFF_ALLMULTI) != 0;
  link.type = header->ifi_type;
  std::string parent_bus;
  auto reader = attributes_of<ifinfomsg>(message);
  for (Attribute attribute; reader.next(attribute);) {
    take_link_attribute(attribute, link);
    if (attribute.type == IFLA_PARENT_DEV_BUS_NAME) parent_bus = attribute.text();
  }
  if (reader.malformed()) return malformed("a link");
  if (parent_bus != "pci") link.parent.clear();
  return link;
}

Result<std::optional<Address>> decode_address(const Message& message) {
  const auto header = read_struct<ifaddrmsg>(message.payload);
  if (!header) return malformed("an address");
  if (header->ifa_family != AF_INET) return std::nullopt;
  if (header->ifa_prefixlen > 32) return malformed("an address");
  Address address{{header->ifa_index}, {}, header->ifa_prefixlen};
  std::optional<Ipv4> local, peer;
  auto reader = attributes_of<ifaddrmsg>(message);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == IFA_LOCAL) local = attribute.ipv4();
    if (attribute.type == IFA_ADDRESS) peer = attribute.ipv4();
  }
  // On a point-to-point link IFA_ADDRESS is the other end's.
  if (!local) local = peer;
  if (reader.malformed() || !local) return malformed("an address");
  address.ip = *local;
  return address;
}

Result<std::optional<Route>> decode_route(const Message& message) {
  const auto header = read_struct<rtmsg>(message.payload);
  if (!header) return malformed("a route");
  const bool cached = (header->rtm_flags & RTM_F_CLONED) != 0;
  if (header->rtm_family != AF_INET || header->rtm_type != RTN_UNICAST || cached) {
    return std::nullopt;
  }
  if (header->rtm_dst_len > 32) return malformed("a route");
  Route route;
  route.destination.length = header->rtm_dst_len;
  route.onlink = (header->rtm_flags & RTNH_F_ONLINK) != 0;
  route.link_scope = header->rtm_scope == RT_SCOPE_LINK;
  route.table = header->rtm_table;
  bool expressible = true;
  auto reader = attributes_of<rtmsg>(message);
  for (Attribute attribute; reader.next(attribute);) {
    switch (attribute.type) {
      case RTA_DST:
        assign(route.destination.address, attribute.ipv4());
        break;
      case RTA_GATEWAY:
        route.gateway = attribute.ipv4();
        break;
      case RTA_OIF:
        assign(route.link.value, attribute.number<std::uint32_t>());
        break;
      case RTA_PREFSRC:
        route.preferred_source = attribute.ipv4();
        break;
      case RTA_TABLE:
        assign(route.table, attribute.number<std::uint32_t>());
        break;
      case RTA_METRICS:
        route.mtu = mtu_metric(attribute.data);
        break;
      // Several next hops, or one that is no IPv4 address: a Route can't say that, and half of it
      // would read as an on-link route.
      case RTA_MULTIPATH:
      case RTA_VIA:
        expressible = false;
        break;
      default:
        break;
    }
  }
  if (reader.malformed()) return malformed("a route");
  route.destination.address.value &= route.destination.mask();
  if (!expressible) return std::nullopt;
  return route;
}

Result<std::optional<RouteLookup>> decode_lookup(const Message& message) {
  const auto header = read_struct<rtmsg>(message.payload);
  if (!header) return malformed("a route lookup");
  if (header->rtm_family != AF_INET) return std::nullopt;
  RouteLookup lookup;
  lookup.local = header->rtm_type == RTN_LOCAL;
  bool via = false;
  auto reader = attributes_of<rtmsg>(message);
  for (Attribute attribute; reader.next(attribute);) {
    switch (attribute.type) {
      case RTA_GATEWAY:
        lookup.gateway = attribute.ipv4();
        break;
      case RTA_OIF:
        assign(lookup.link.value, attribute.number<std::uint32_t>());
        break;
      case RTA_PREFSRC:
        assign(lookup.source, attribute.ipv4());
        break;
      case RTA_VIA:
        via = true;
        break;
      default:
        break;
    }
  }
  if (reader.malformed()) return malformed("a route lookup");
  if (via) return fail(Code::kUnsupported, "the route's next hop is not an IPv4 address");
  return lookup;
}

Result<std::optional<Neighbour>> decode_neighbour(const Message& message) {
  const auto header = read_struct<ndmsg>(message.payload);
  if (!header) return malformed("a neighbour");
  if (header->ndm_family != AF_INET || (header->ndm_flags & NTF_PROXY) != 0) return std::nullopt;
  if (header->ndm_ifindex <= 0) return malformed("a neighbour");
  Neighbour neighbour;
  neighbour.link.value = static_cast<std::uint32_t>(header->ndm_ifindex);
  neighbour.state = header->ndm_state;
  std::optional<Ipv4> ip;
  auto reader = attributes_of<ndmsg>(message);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == NDA_DST) ip = attribute.ipv4();
    if (attribute.type == NDA_LLADDR) assign(neighbour.mac, attribute.mac());
  }
  if (reader.malformed() || !ip) return malformed("a neighbour");
  neighbour.ip = *ip;
  return neighbour;
}

Status deliver_event(const Message& message, const MonitorHandlers& handlers) {
  switch (message.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      SLUICE_TRY(const auto link, decode_link(message));
      if (link && handlers.link) handlers.link({*link, message.type == RTM_DELLINK});
      return {};
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      SLUICE_TRY(const auto neighbour, decode_neighbour(message));
      if (neighbour && handlers.neighbour) {
        handlers.neighbour({*neighbour, message.type == RTM_DELNEIGH});
      }
      return {};
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      if (handlers.route) handlers.route({});
      return {};
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      SLUICE_TRY(const auto address, decode_address(message));
      if (address && handlers.address) {
        handlers.address({*address, message.type == RTM_DELADDR});
      }
      return {};
    }
    default:
      return {};
  }
}

}  // namespace sluice::netlink
