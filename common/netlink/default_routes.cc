// SPDX-License-Identifier: Apache-2.0
// Rtnl: where the default routes lead, of both families.
// Source: include/uapi/linux/rtnetlink.h (struct rtnexthop), include/uapi/linux/nexthop.h.
#include "common/netlink/default_routes.h"

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "common/netlink/rtnl_impl.h"

namespace sluice::netlink {
namespace {

constexpr std::size_t kMaxNexthops = 1024;  // more than any route has
constexpr std::size_t align(std::size_t size) { return (size + 3U) & ~std::size_t{3}; }

void add(std::vector<IfIndex>& links, std::uint32_t index) {
  const IfIndex link{index};
  if (index == 0 || links.size() == kMaxNexthops) return;
  if (std::find(links.begin(), links.end(), link) == links.end()) links.push_back(link);
}

// struct rtnexthop, each with attributes of its own behind it, which don't matter here.
bool add_multipath(Bytes bytes, std::vector<IfIndex>& links) {
  while (!bytes.empty()) {
    const auto hop = read_struct<rtnexthop>(bytes);
    if (!hop || hop->rtnh_len < sizeof *hop || hop->rtnh_len > bytes.size()) return false;
    if (hop->rtnh_ifindex > 0) add(links, static_cast<std::uint32_t>(hop->rtnh_ifindex));
    bytes = bytes.subspan(std::min(align(hop->rtnh_len), bytes.size()));
  }
  return true;
}

}  // namespace

Result<std::optional<DefaultRoute>> decode_default_route(const Message& message) {
  const auto header = read_struct<rtmsg>(message.payload);
  if (!header) return malformed("a route");
  const bool ipv6 = header->rtm_family == AF_INET6;
  if (header->rtm_family != AF_INET && !ipv6) return std::nullopt;
  const bool cached = (header->rtm_flags & RTM_F_CLONED) != 0;
  if (header->rtm_dst_len != 0 || header->rtm_type != RTN_UNICAST || cached) return std::nullopt;
  DefaultRoute route;
  route.ipv6 = ipv6;
  route.table = header->rtm_table;
  AttributeReader reader(message.payload.subspan(sizeof(rtmsg)));
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == RTA_OIF) add(route.links, attribute.number<std::uint32_t>().value_or(0));
    if (attribute.type == RTA_TABLE) {
      route.table = attribute.number<std::uint32_t>().value_or(route.table);
    }
    if (attribute.type == RTA_NH_ID) {
      route.nexthop = attribute.number<std::uint32_t>().value_or(0);
    }
    if (attribute.type == RTA_MULTIPATH && !add_multipath(attribute.data, route.links)) {
      return malformed("a route's next hops");
    }
  }
  if (reader.malformed()) return malformed("a route");
  return route;
}

Result<std::optional<NexthopObject>> decode_nexthop(const Message& message) {
  const auto header = read_struct<nhmsg>(message.payload);
  if (!header) return malformed("a nexthop");
  NexthopObject object;
  AttributeReader reader(message.payload.subspan(sizeof(nhmsg)));
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == NHA_ID) object.id = attribute.number<std::uint32_t>().value_or(0);
    if (attribute.type == NHA_OIF) {
      object.link.value = attribute.number<std::uint32_t>().value_or(0);
    }
    if (attribute.type != NHA_GROUP) continue;
    for (Bytes rest = attribute.data; object.group.size() < kMaxNexthops;) {
      const auto member = read_struct<nexthop_grp>(rest);
      if (!member) break;
      object.group.push_back(member->id);
      rest = rest.subspan(sizeof *member);
    }
  }
  if (reader.malformed()) return malformed("a nexthop");
  if (object.id == 0) return std::nullopt;
  return object;
}

std::vector<IfIndex> links_of(const std::vector<NexthopObject>& objects, std::uint32_t id) {
  const auto find = [&](std::uint32_t wanted) {
    return std::find_if(objects.begin(), objects.end(),
                        [&](const NexthopObject& object) { return object.id == wanted; });
  };
  std::vector<IfIndex> links;
  const auto top = find(id);
  if (top == objects.end()) return links;
  add(links, top->link.value);
  // Groups hold no groups, so one step is all there can be.
  for (const auto member : top->group) {
    if (const auto object = find(member); object != objects.end()) add(links, object->link.value);
  }
  return links;
}

Result<std::vector<DefaultRoute>> Rtnl::Impl::default_routes(bool ipv6, std::uint32_t table) {
  rtmsg header{};
  header.rtm_family = ipv6 ? AF_INET6 : AF_INET;
  MessageWriter message(RTM_GETROUTE, 0);
  message.put_struct(header);
  message.put_number(RTA_TABLE, table);
  const auto replies = transport.dump(message, "list default routes");
  if (!replies) {
    // A table comes into being with its first route; a kernel may be without IPv6.
    const Error& error = replies.error();
    const bool none =
        error.domain == Domain::kKernel &&
        (error.native == ENOENT || error.native == EAFNOSUPPORT || error.native == EOPNOTSUPP);
    if (none) return std::vector<DefaultRoute>{};
    return fail(error);
  }
  SLUICE_TRY(auto routes, decode_all<DefaultRoute>(*replies, decode_default_route));
  // Old kernels give all tables, whatever is asked; a kernel without IPv6 all it has.
  std::erase_if(routes, [&](const DefaultRoute& route) {
    return route.table != table || route.ipv6 != ipv6;
  });
  return routes;
}

Result<std::vector<DefaultRoute>> Rtnl::default_routes() {
  std::vector<DefaultRoute> found;
  for (const bool ipv6 : {false, true}) {
    for (const std::uint32_t table : {RT_TABLE_MAIN, RT_TABLE_DEFAULT}) {
      SLUICE_TRY(auto routes, impl_->default_routes(ipv6, table));
      std::move(routes.begin(), routes.end(), std::back_inserter(found));
    }
  }
  // As a rule the kernel says an object's links in the route, unless a sysctl tells it not to.
  const bool objects_needed = std::any_of(found.begin(), found.end(), [](const DefaultRoute& r) {
    return r.links.empty() && r.nexthop != 0;
  });
  if (!objects_needed) return found;
  MessageWriter message(RTM_GETNEXTHOP, 0);
  message.put_struct(nhmsg{});
  SLUICE_TRY(const auto replies, impl_->transport.dump(message, "list nexthop objects"));
  SLUICE_TRY(const auto objects, decode_all<NexthopObject>(replies, decode_nexthop));
  for (auto& route : found) {
    if (route.links.empty()) route.links = links_of(objects, route.nexthop);
  }
  return found;
}

}  // namespace sluice::netlink
