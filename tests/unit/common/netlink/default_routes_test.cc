// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/default_routes.h"

#include <doctest/doctest.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>

using namespace sluice;
using namespace sluice::netlink;

namespace {

struct RouteMessage {
  explicit RouteMessage(unsigned char family = AF_INET, unsigned char length = 0,
                        unsigned char type = RTN_UNICAST, unsigned flags = 0) {
    rtmsg header{};
    header.rtm_family = family;
    header.rtm_dst_len = length;
    header.rtm_type = type;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_flags = flags;
    writer.put_struct(header);
  }
  Result<std::optional<DefaultRoute>> decode() const {
    return decode_default_route(
        Message{RTM_NEWROUTE, 0, 0, writer.bytes().subspan(sizeof(nlmsghdr))});
  }
  MessageWriter writer{RTM_NEWROUTE, 0};
};

void put_hop(MessageWriter& writer, int link, std::uint16_t length) {
  rtnexthop hop{};
  hop.rtnh_len = length;
  hop.rtnh_ifindex = link;
  writer.put_struct(hop);
}

}  // namespace

TEST_CASE("A default route has no destination, or one that is written out as zero") {
  RouteMessage absent;
  absent.writer.put_number(RTA_OIF, 2U);
  RouteMessage zero;
  zero.writer.put_ipv4(RTA_DST, Ipv4{});
  zero.writer.put_number(RTA_OIF, 2U);
  RouteMessage six(AF_INET6);
  const std::array<std::uint8_t, 16> any{};
  six.writer.put(RTA_DST, any.data(), any.size());
  six.writer.put_number(RTA_OIF, 2U);
  for (const RouteMessage* message : {&absent, &zero, &six}) {
    const auto route = message->decode();
    REQUIRE(route);
    REQUIRE(*route);
    CHECK((*route)->links == std::vector{IfIndex{2}});
    CHECK((*route)->table == 254);
    CHECK((*route)->ipv6 == (message == &six));
  }
}

TEST_CASE("Other routes are none") {
  CHECK_FALSE(*RouteMessage(AF_INET, 8).decode());
  CHECK_FALSE(*RouteMessage(AF_INET6, 64).decode());
  CHECK_FALSE(*RouteMessage(AF_INET, 0, RTN_UNREACHABLE).decode());
  CHECK_FALSE(*RouteMessage(AF_INET, 0, RTN_UNICAST, RTM_F_CLONED).decode());
  CHECK_FALSE(*RouteMessage(AF_BRIDGE).decode());
  CHECK_FALSE(decode_default_route(Message{}));
}

TEST_CASE("A multipath route leads out of all its next hops") {
  RouteMessage message;
  message.writer.put_number(RTA_TABLE, 253U);
  const auto hops = message.writer.begin(RTA_MULTIPATH);
  put_hop(message.writer, 2, sizeof(rtnexthop) + 8);
  message.writer.put_ipv4(RTA_GATEWAY, Ipv4{1});
  put_hop(message.writer, 3, sizeof(rtnexthop));
  put_hop(message.writer, 2, sizeof(rtnexthop));
  message.writer.end(hops);
  const auto route = message.decode();
  REQUIRE(route);
  REQUIRE(*route);
  CHECK((*route)->table == 253);
  CHECK((*route)->links == std::vector{IfIndex{2}, IfIndex{3}});
}

TEST_CASE("Next hops of impossible length are an error") {
  for (const auto length : std::vector<std::uint16_t>{0, 7, 9, 65535}) {
    RouteMessage message;
    const auto hops = message.writer.begin(RTA_MULTIPATH);
    put_hop(message.writer, 2, length);
    message.writer.end(hops);
    CHECK_FALSE(message.decode());
  }
}

TEST_CASE("A route by a nexthop object is resolved through the object's group") {
  RouteMessage message;
  message.writer.put_number(RTA_NH_ID, 10U);
  CHECK((*message.decode())->nexthop == 10);

  const auto object = [](auto fill) {
    MessageWriter writer(RTM_NEWNEXTHOP, 0);
    writer.put_struct(nhmsg{});
    fill(writer);
    return **decode_nexthop(
        Message{RTM_NEWNEXTHOP, 0, 0, writer.bytes().subspan(sizeof(nlmsghdr))});
  };
  const auto one = object([](MessageWriter& w) {
    w.put_number(NHA_ID, 1U);
    w.put_number(NHA_OIF, 2U);
  });
  const auto two = object([](MessageWriter& w) {
    w.put_number(NHA_ID, 2U);
    w.put_number(NHA_OIF, 3U);
  });
  const auto group = object([](MessageWriter& w) {
    w.put_number(NHA_ID, 10U);
    const nexthop_grp members[] = {{1, 0, 0, 0}, {2, 0, 0, 0}, {99, 0, 0, 0}};
    w.put(NHA_GROUP, members, sizeof members);
  });
  CHECK(links_of({one, two, group}, 10) == std::vector{IfIndex{2}, IfIndex{3}});
  CHECK(links_of({one, two, group}, 2) == std::vector{IfIndex{3}});
  CHECK(links_of({one, two, group}, 7).empty());
  MessageWriter nameless(RTM_NEWNEXTHOP, 0);
  nameless.put_struct(nhmsg{});
  CHECK_FALSE(
      *decode_nexthop(Message{RTM_NEWNEXTHOP, 0, 0, nameless.bytes().subspan(sizeof(nlmsghdr))}));
}
