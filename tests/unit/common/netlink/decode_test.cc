// SPDX-License-Identifier: Apache-2.0
// Messages that a kernel sent (captured in a namespace with a veth pair and a bridge) to values.
#include "common/netlink/decode.h"

#include <doctest/doctest.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "common/os/files.h"

using namespace sluice;
using namespace sluice::netlink;

namespace {

using Buffer = std::vector<std::uint8_t>;

Buffer captured(const std::string& name) {
  const auto content = os::read_file(std::string(SLUICE_NETLINK_CORPUS) + "/kernel_" + name);
  REQUIRE(content);
  return {content->begin(), content->end()};
}

template <class T>
std::vector<T> decode(const Buffer& bytes, Result<std::optional<T>> (*one)(const Message&)) {
  std::vector<T> values;
  MessageReader reader(bytes);
  for (Message message; reader.next(message);) {
    if (message.type == NLMSG_DONE) break;
    const auto value = one(message);
    REQUIRE(value);
    if (*value) values.push_back(**value);
  }
  CHECK_FALSE(reader.malformed());
  return values;
}

template <class T, class F>
T find(const std::vector<T>& all, F matches) {
  const auto found = std::find_if(all.begin(), all.end(), matches);
  REQUIRE(found != all.end());
  return *found;
}

Link link_named(const std::vector<Link>& links, const char* name) {
  return find(links, [&](const Link& link) { return link.name == name; });
}

Prefix4 prefix(const char* text) { return *Prefix4::parse(text); }
Ipv4 ip(const char* text) { return *Ipv4::parse(text); }

}  // namespace

TEST_CASE("Links: a veth pair and a bridge, as a kernel describes them") {
  const auto links = decode<Link>(captured("links"), decode_link);
  const auto a = link_named(links, "sla");
  const auto b = link_named(links, "slb");
  const auto bridge = link_named(links, "slbr");
  CHECK(a.kind == "veth");
  CHECK(a.mac.to_string() == "02:00:00:00:00:0a");
  CHECK(a.mtu == 1400);
  CHECK(a.alias == "uplink");
  CHECK(a.up);
  CHECK(a.carrier);
  CHECK(a.peer == b.index);
  CHECK(b.peer == a.index);
  CHECK_FALSE(a.peer_netns);
  CHECK(a.master == IfIndex{});
  CHECK(b.master == bridge.index);
  CHECK(b.promiscuity == 1);
  CHECK(bridge.kind == "bridge");
  CHECK(link_named(links, "lo").kind.empty());
  CHECK_FALSE(link_named(links, "lo").up);
}

TEST_CASE("Addresses") {
  const auto addresses = decode<Address>(captured("addresses"), decode_address);
  REQUIRE(addresses.size() == 1);
  CHECK(addresses[0].ip == ip("10.0.0.1"));
  CHECK(addresses[0].prefix_length == 24);
  CHECK(addresses[0].link.value != 0);
}

TEST_CASE("Routes: with gateway and MTU, on a link, in another table; not multipath, not local") {
  const auto routes = decode<Route>(captured("routes"), decode_route);
  REQUIRE(routes.size() == 3);
  const auto to = [&](const char* text) {
    return find(routes, [&](const Route& r) { return r.destination == prefix(text); });
  };
  CHECK(to("10.9.0.0/16").gateway == ip("10.0.0.2"));
  CHECK(to("10.9.0.0/16").mtu == 1300);
  CHECK_FALSE(to("10.9.0.0/16").link_scope);
  CHECK(to("10.0.0.0/24").link_scope);
  CHECK(to("10.0.0.0/24").preferred_source == ip("10.0.0.1"));
  CHECK(to("10.0.0.0/24").table == 254);
  CHECK(to("10.7.0.0/16").table == 1000);
}

TEST_CASE("Neighbours; a bridge's forwarding entries are none") {
  const auto neighbours = decode<Neighbour>(captured("neighbours"), decode_neighbour);
  const auto one = find(neighbours, [](const Neighbour& n) { return n.ip == ip("10.0.0.2"); });
  CHECK(one.mac.to_string() == "02:00:00:00:00:0c");
  CHECK(one.state == NUD_PERMANENT);
  CHECK(one.usable());
  CHECK(decode<Neighbour>(captured("fdb"), decode_neighbour).empty());
}

TEST_CASE("A neighbour is usable when it has an address and a state that stands for one") {
  Neighbour neighbour;
  neighbour.mac = *MacAddr::parse("02:00:00:00:00:01");
  for (const int state : {NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT}) {
    neighbour.state = static_cast<std::uint16_t>(state);
    CHECK(neighbour.usable());
  }
  for (const int state : {NUD_NONE, NUD_INCOMPLETE, NUD_FAILED}) {
    neighbour.state = static_cast<std::uint16_t>(state);
    CHECK_FALSE(neighbour.usable());
  }
  neighbour.state = NUD_NOARP;
  neighbour.mac = {};
  CHECK_FALSE(neighbour.usable());
}

TEST_CASE("Every prefix of every captured datagram is an error or a value, never more") {
  for (const char* name : {"links", "addresses", "routes", "neighbours", "fdb"}) {
    const Buffer whole = captured(name);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Buffer part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      std::size_t messages = 0;
      MessageReader reader(part);
      for (Message message; reader.next(message);) ++messages;
      CHECK((messages == 0 || size >= messages * sizeof(nlmsghdr)));
    }
  }
}

TEST_CASE("A message too short for its struct is an error") {
  const Buffer four(4, 0);
  const Message message{RTM_NEWLINK, 0, 0, four};
  CHECK_FALSE(decode_link(message));
  CHECK_FALSE(decode_address(message));
  CHECK_FALSE(decode_route(message));
  CHECK_FALSE(decode_neighbour(message));
  CHECK_FALSE(decode_lookup(message));
}

TEST_CASE("A prefix length beyond 32 is an error") {
  ifaddrmsg address{};
  address.ifa_family = AF_INET;
  address.ifa_prefixlen = 33;
  Buffer bytes(sizeof address);
  std::memcpy(bytes.data(), &address, sizeof address);
  CHECK_FALSE(decode_address(Message{RTM_NEWADDR, 0, 0, bytes}));
}

TEST_CASE("A bridge's view of its port is no link event: leaving a bridge deletes no link") {
  ifinfomsg header{};
  header.ifi_family = AF_BRIDGE;
  header.ifi_index = 5;
  Buffer bytes(sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  int events = 0;
  MonitorHandlers handlers;
  handlers.link = [&](const LinkEvent&) { ++events; };
  CHECK(deliver_event(Message{RTM_DELLINK, 0, 0, bytes}, handlers));
  CHECK(events == 0);
  header.ifi_family = AF_UNSPEC;
  std::memcpy(bytes.data(), &header, sizeof header);
  CHECK(deliver_event(Message{RTM_DELLINK, 0, 0, bytes}, handlers));
  CHECK(events == 1);
}

TEST_CASE("A route whose next hop is no IPv4 address is not taken for an on-link route") {
  MessageWriter writer(RTM_NEWROUTE, 0);
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_type = RTN_UNICAST;
  writer.put_struct(header);
  writer.put_number(RTA_OIF, std::uint32_t{3});
  writer.put(RTA_VIA, "\x0a\0xxxxxxxxxxxxxxxx", 18);
  MessageReader reader(writer.bytes());
  Message message;
  REQUIRE(reader.next(message));
  CHECK_FALSE(decode_route(message)->has_value());
  CHECK(decode_lookup(message).error().code == Code::kUnsupported);
}
