// SPDX-License-Identifier: Apache-2.0
// What a kernel says of a link that can be changed and must be given back, to values.
#include <doctest/doctest.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "common/netlink/decode.h"

using namespace sluice;
using namespace sluice::netlink;

namespace {

// A link with index 7, and what `fill` puts behind that.
template <class Fill>
Link decoded(ifinfomsg header, Fill fill) {
  header.ifi_index = 7;
  MessageWriter writer(RTM_NEWLINK, 0);
  writer.put_struct(header);
  fill(writer);
  const auto link =
      decode_link(Message{RTM_NEWLINK, 0, 0, writer.bytes().subspan(sizeof(nlmsghdr))});
  REQUIRE(link);
  REQUIRE(*link);
  return **link;
}

}  // namespace

TEST_CASE("All that a VF's link can carry back from a pod") {
  ifinfomsg header{};
  header.ifi_type = 1;
  header.ifi_flags = IFF_PROMISC | IFF_ALLMULTI;
  const auto link = decoded(header, [](MessageWriter& w) {
    w.put_text(IFLA_PARENT_DEV_NAME, "0000:3b:00.2");
    w.put_text(IFLA_PARENT_DEV_BUS_NAME, "pci");
    w.put_text(IFLA_QDISC, "tbf");
    w.put_number(IFLA_GROUP, std::uint32_t{9});
    w.put_number(IFLA_TXQLEN, std::uint32_t{500});
    const auto properties = w.begin(IFLA_PROP_LIST | NLA_F_NESTED);
    w.put_text(IFLA_ALT_IFNAME, "enp59s0f0v0");
    w.put_text(IFLA_ALT_IFNAME, "a-second-name-of-more-than-fifteen-bytes");
    w.end(properties);
    const auto xdp = w.begin(IFLA_XDP | NLA_F_NESTED);
    w.put_number(IFLA_XDP_ATTACHED, std::uint8_t{XDP_ATTACHED_SKB});
    w.end(xdp);
  });
  CHECK(link.parent == "0000:3b:00.2");
  CHECK(link.qdisc == "tbf");
  CHECK(link.group == 9);
  CHECK(link.tx_queue_length == 500);
  CHECK(link.altnames ==
        std::vector<std::string>{"enp59s0f0v0", "a-second-name-of-more-than-fifteen-bytes"});
  CHECK(link.xdp);
  CHECK(link.promiscuous);
  CHECK(link.all_multicast);
  CHECK(link.type == 1);
}

TEST_CASE("A parent on another bus is none that we know") {
  for (const char* bus : {"virtio", "auxiliary", ""}) {
    const auto link = decoded({}, [&](MessageWriter& w) {
      w.put_text(IFLA_PARENT_DEV_BUS_NAME, bus);
      w.put_text(IFLA_PARENT_DEV_NAME, "virtio0");
    });
    CHECK(link.parent.empty());
  }
  CHECK(
      decoded({}, [](MessageWriter& w) { w.put_text(IFLA_PARENT_DEV_NAME, "x"); }).parent.empty());
}

TEST_CASE("An InfiniBand link has no MAC, and that is no error") {
  ifinfomsg header{};
  header.ifi_type = 32;
  const auto link = decoded(header, [](MessageWriter& w) {
    const std::uint8_t address[20] = {0x80, 1, 2, 3};
    w.put(IFLA_ADDRESS, address, sizeof address);
  });
  CHECK(link.type == 32);
  CHECK(link.mac.is_zero());
}

TEST_CASE("What isn't said, or is too short, is as on a plain link") {
  const auto link = decoded({}, [](MessageWriter& w) {
    w.put(IFLA_GROUP, "x", 1);
    const auto xdp = w.begin(IFLA_XDP | NLA_F_NESTED);
    w.put_number(IFLA_XDP_ATTACHED, std::uint8_t{XDP_ATTACHED_NONE});
    w.end(xdp);
    const auto properties = w.begin(IFLA_PROP_LIST | NLA_F_NESTED);
    w.end(properties);
  });
  CHECK(link.group == 0);
  CHECK_FALSE(link.xdp);
  CHECK(link.altnames.empty());
  CHECK_FALSE(link.promiscuous);
  CHECK_FALSE(link.all_multicast);
}
