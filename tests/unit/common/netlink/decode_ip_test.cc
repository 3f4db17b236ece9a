// SPDX-License-Identifier: Apache-2.0
// Addresses and routes of both families, from bytes to values.
#include <doctest/doctest.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "common/netlink/decode.h"

using namespace sluice;
using namespace sluice::netlink;

namespace {

IpAddr ip(const char* text) { return *IpAddr::parse(text); }
IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }

template <class T, class Header, class Fill>
Result<std::optional<T>> decoded(Result<std::optional<T>> (*decode)(const Message&),
                                 const Header& header, Fill fill) {
  MessageWriter writer(0, 0);
  writer.put_struct(header);
  fill(writer);
  return decode(Message{0, 0, 0, writer.bytes().subspan(sizeof(nlmsghdr))});
}

ifaddrmsg address_header(int family, unsigned length) {
  ifaddrmsg header{};
  header.ifa_family = static_cast<std::uint8_t>(family);
  header.ifa_prefixlen = static_cast<std::uint8_t>(length);
  header.ifa_index = 7;
  return header;
}

rtmsg route_header(int family, unsigned length) {
  rtmsg header{};
  header.rtm_family = static_cast<std::uint8_t>(family);
  header.rtm_dst_len = static_cast<std::uint8_t>(length);
  header.rtm_type = RTN_UNICAST;
  header.rtm_table = RT_TABLE_MAIN;
  return header;
}

}  // namespace

TEST_CASE("An IPv6 address with its state") {
  const auto one = decoded(decode_ip_address, address_header(AF_INET6, 64), [](MessageWriter& w) {
    w.put_ip(IFA_ADDRESS, ip("fd00::5"));
    w.put_number(IFA_FLAGS, std::uint32_t{IFA_F_TENTATIVE | IFA_F_OPTIMISTIC});
  });
  REQUIRE(one);
  REQUIRE(*one);
  CHECK((*one)->ip == prefix("fd00::5/64"));
  CHECK((*one)->link == IfIndex{7});
  CHECK((*one)->tentative);
  CHECK((*one)->optimistic);
  CHECK_FALSE((*one)->no_dad);
  CHECK_FALSE((*one)->dad_failed);
}

TEST_CASE("The flags of an old kernel are in the header") {
  auto header = address_header(AF_INET6, 128);
  header.ifa_flags = IFA_F_DADFAILED | IFA_F_NODAD;
  const auto one = decoded(decode_ip_address, header,
                           [](MessageWriter& w) { w.put_ip(IFA_ADDRESS, ip("fd00::5")); });
  CHECK((*one)->dad_failed);
  CHECK((*one)->no_dad);
}

TEST_CASE("An IPv4 address is the local one, and has no flags") {
  const auto one = decoded(decode_ip_address, address_header(AF_INET, 24), [](MessageWriter& w) {
    w.put_ip(IFA_ADDRESS, ip("10.0.0.2"));
    w.put_ip(IFA_LOCAL, ip("10.0.0.1"));
    w.put_number(IFA_FLAGS, std::uint32_t{IFA_F_NODAD});
  });
  CHECK((*one)->ip == prefix("10.0.0.1/24"));
  CHECK_FALSE((*one)->no_dad);
}

TEST_CASE("Addresses of another family are left out, malformed ones are errors") {
  const auto v4 = [](MessageWriter& w) { w.put_ip(IFA_LOCAL, ip("10.0.0.1")); };
  const auto v6 = [](MessageWriter& w) { w.put_ip(IFA_ADDRESS, ip("fd00::1")); };
  CHECK_FALSE(decoded(decode_ip_address, address_header(AF_UNSPEC, 24), v4)->has_value());
  CHECK_FALSE(decoded(decode_ip_address, address_header(AF_INET, 33), v4));
  CHECK_FALSE(decoded(decode_ip_address, address_header(AF_INET6, 129), v6));
  CHECK_FALSE(decoded(decode_ip_address, address_header(AF_INET, 24), v6));
  CHECK_FALSE(decoded(decode_ip_address, address_header(AF_INET6, 24), v4));
  CHECK_FALSE(decoded(decode_ip_address, address_header(AF_INET, 24), [](MessageWriter&) {}));
  CHECK_FALSE(decode_ip_address(Message{}));
}

TEST_CASE("A route with all that it can have") {
  auto header = route_header(AF_INET6, 64);
  header.rtm_flags = RTNH_F_ONLINK;
  const auto one = decoded(decode_ip_routes, header, [](MessageWriter& w) {
    w.put_ip(RTA_DST, ip("fd01::"));
    w.put_ip(RTA_GATEWAY, ip("fe80::1"));
    w.put_number(RTA_OIF, std::uint32_t{7});
    w.put_number(RTA_PRIORITY, std::uint32_t{1024});
    w.put_number(RTA_TABLE, std::uint32_t{1000});
    const auto metrics = w.begin(RTA_METRICS | NLA_F_NESTED);
    w.put_number(RTAX_MTU, std::uint32_t{1300});
    w.put_number(RTAX_ADVMSS, std::uint32_t{1240});
    w.end(metrics);
  });
  REQUIRE(one);
  REQUIRE(*one);
  const IpRoute& route = (*one)->front();
  CHECK(route.destination == prefix("fd01::/64"));
  CHECK(route.gateway == ip("fe80::1"));
  CHECK(route.link == IfIndex{7});
  CHECK(route.priority == 1024U);
  CHECK(route.table == 1000U);
  CHECK(route.mtu == 1300U);
  CHECK(route.advmss == 1240U);
  CHECK(route.onlink);
}

TEST_CASE("A default route has no destination, in its family") {
  const auto v6 = decoded(decode_ip_routes, route_header(AF_INET6, 0), [](MessageWriter&) {});
  CHECK((*v6)->front().destination == prefix("::/0"));
  const auto v4 = decoded(decode_ip_routes, route_header(AF_INET, 0), [](MessageWriter&) {});
  CHECK((*v4)->front().destination == prefix("0.0.0.0/0"));
  CHECK((*v4)->front().table == 254U);
  CHECK((*v4)->front().scope == RT_SCOPE_UNIVERSE);
  CHECK_FALSE((*v4)->front().priority);
}

TEST_CASE("Routes that can't be expressed are left out, malformed ones are errors") {
  const auto nothing = [](MessageWriter&) {};
  auto local = route_header(AF_INET, 32);
  local.rtm_type = RTN_LOCAL;
  CHECK_FALSE(decoded(decode_ip_routes, local, nothing)->has_value());
  auto cached = route_header(AF_INET6, 64);
  cached.rtm_flags = RTM_F_CLONED;
  CHECK_FALSE(decoded(decode_ip_routes, cached, nothing)->has_value());
  CHECK_FALSE(decoded(decode_ip_routes, route_header(AF_UNSPEC, 0), nothing)->has_value());
  CHECK_FALSE(decoded(decode_ip_routes, route_header(AF_INET, 0), [](MessageWriter& w) {
                w.put(RTA_VIA, "", 0);
              })->has_value());
  CHECK_FALSE(decoded(decode_ip_routes, route_header(AF_INET, 33), nothing));
  CHECK_FALSE(decoded(decode_ip_routes, route_header(AF_INET6, 129), nothing));
  CHECK_FALSE(decode_ip_routes(Message{}));
}

TEST_CASE("An address attribute of the other family is none") {
  const auto one = decoded(decode_ip_routes, route_header(AF_INET, 24), [](MessageWriter& w) {
    w.put_ip(RTA_DST, ip("fd00::1"));
    w.put_ip(RTA_GATEWAY, ip("fd00::1"));
  });
  CHECK((*one)->front().destination == prefix("0.0.0.0/24"));
  CHECK_FALSE((*one)->front().gateway);
}

TEST_CASE("Each next hop of a multipath route is a route") {
  const auto hop = [](MessageWriter& w, int link, const char* gateway) {
    rtnexthop header{};
    header.rtnh_len = sizeof header + RTA_LENGTH(16);
    header.rtnh_ifindex = link;
    w.put_struct(header);
    w.put_ip(RTA_GATEWAY, ip(gateway));
  };
  const auto some = decoded(decode_ip_routes, route_header(AF_INET6, 0), [&](MessageWriter& w) {
    const auto several = w.begin(RTA_MULTIPATH);
    hop(w, 7, "fd00::1");
    hop(w, 8, "fd01::1");
    w.end(several);
    w.put_number(RTA_PRIORITY, std::uint32_t{1024});
  });
  REQUIRE(some);
  REQUIRE(*some);
  REQUIRE((*some)->size() == 2);
  CHECK((*some)->front().link == IfIndex{7});
  CHECK((*some)->front().gateway == ip("fd00::1"));
  CHECK((*some)->back().link == IfIndex{8});
  CHECK((*some)->back().gateway == ip("fd01::1"));
  CHECK((*some)->back().priority == 1024U);
  CHECK((*some)->back().destination == prefix("::/0"));

  rtnexthop header{};
  for (const std::uint16_t length : {std::uint16_t{0}, std::uint16_t{sizeof header + 4}}) {
    header.rtnh_len = length;
    CHECK_FALSE(decoded(decode_ip_routes, route_header(AF_INET6, 0), [&](MessageWriter& w) {
                  w.put(RTA_MULTIPATH, &header, sizeof header);
                })->has_value());
  }
}
