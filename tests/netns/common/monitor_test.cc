// SPDX-License-Identifier: Apache-2.0
// Monitor against the kernel, in anonymous namespaces.
#include <doctest/doctest.h>
#include <linux/neighbour.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>

#include "common/netlink/rtnetlink.h"

using namespace sluice;
using namespace sluice::netlink;

namespace {

struct Seen {
  std::vector<LinkEvent> links;
  std::vector<NeighbourEvent> neighbours;
  std::vector<AddressEvent> addresses;
  int routes = 0;
  int overruns = 0;

  MonitorHandlers handlers() {
    MonitorHandlers result;
    result.link = [this](const LinkEvent& event) { links.push_back(event); };
    result.neighbour = [this](const NeighbourEvent& event) { neighbours.push_back(event); };
    result.address = [this](const AddressEvent& event) { addresses.push_back(event); };
    result.route = [this](const RouteEvent&) { ++routes; };
    result.overrun = [this] { ++overruns; };
    return result;
  }
};

// Dispatches until it has come; 30 s without anything is a failure.
bool wait_for(Monitor& monitor, const std::function<bool()>& come) {
  while (!come()) {
    pollfd entry{monitor.fd(), POLLIN, 0};
    if (::poll(&entry, 1, 30000) != 1) return false;
    if (!monitor.dispatch()) return false;
  }
  return true;
}

bool has_link(const Seen& seen, const std::string& name, bool deleted) {
  return std::any_of(seen.links.begin(), seen.links.end(), [&](const LinkEvent& event) {
    return event.link.name == name && event.deleted == deleted;
  });
}

}  // namespace

TEST_CASE("Links, addresses, routes and neighbours are told as they change") {
  const auto netns = *os::NetNs::create_anonymous();
  auto rtnl = *Rtnl::open_in(netns);
  Seen seen;
  auto monitor = Monitor::open_in(netns, seen.handlers());
  REQUIRE(monitor);
  CHECK(monitor->dispatch());  // nothing there: returns

  REQUIRE(rtnl.add_veth({"sla", {}, {}, {}, true}, {"slb", {}, {}, {}, true}));
  CHECK(wait_for(*monitor, [&] { return has_link(seen, "sla", false); }));
  const auto a = rtnl.link("sla")->index;

  const Address address{a, *Ipv4::parse("10.0.0.1"), 24};
  REQUIRE(rtnl.add_address(address));
  CHECK(wait_for(*monitor, [&] { return !seen.addresses.empty() && seen.routes > 0; }));
  CHECK(seen.addresses[0].address == address);
  CHECK_FALSE(seen.addresses[0].deleted);

  Neighbour neighbour{a, *Ipv4::parse("10.0.0.2"), *MacAddr::parse("02:00:00:00:00:02"), 0};
  REQUIRE(rtnl.replace_neighbour(neighbour));
  CHECK(wait_for(*monitor, [&] {
    return std::any_of(seen.neighbours.begin(), seen.neighbours.end(), [&](const auto& event) {
      return event.neighbour.ip == neighbour.ip && event.neighbour.mac == neighbour.mac;
    });
  }));

  REQUIRE(rtnl.delete_address(address));
  CHECK(wait_for(*monitor, [&] { return seen.addresses.back().deleted; }));
  REQUIRE(rtnl.delete_link(a));
  CHECK(wait_for(*monitor,
                 [&] { return has_link(seen, "sla", true) && has_link(seen, "slb", true); }));
  CHECK(seen.overruns == 0);
}

TEST_CASE("A link that leaves its bridge is not told as deleted") {
  const auto netns = *os::NetNs::create_anonymous();
  auto rtnl = *Rtnl::open_in(netns);
  REQUIRE(rtnl.add_veth({"sla", {}, {}, {}, true}, {"slb", {}, {}, {}, true}));
  REQUIRE(rtnl.add_bridge("slbr", {}));
  LinkChange change;
  change.master = rtnl.link("slbr")->index;
  REQUIRE(rtnl.change_link(rtnl.link("slb")->index, change));
  Seen seen;
  auto monitor = Monitor::open_in(netns, seen.handlers());
  REQUIRE(monitor);
  change.master = IfIndex{};
  REQUIRE(rtnl.change_link(rtnl.link("slb")->index, change));
  change = {};
  change.alias = "end";
  REQUIRE(rtnl.change_link(rtnl.link("slb")->index, change));
  CHECK(wait_for(*monitor, [&] {
    return std::any_of(seen.links.begin(), seen.links.end(),
                       [](const LinkEvent& event) { return event.link.alias == "end"; });
  }));
  CHECK_FALSE(has_link(seen, "slb", true));
}

TEST_CASE("Only the groups with a handler are joined") {
  const auto netns = *os::NetNs::create_anonymous();
  auto rtnl = *Rtnl::open_in(netns);
  MonitorHandlers handlers;
  handlers.address = [](const AddressEvent&) {};
  auto monitor = Monitor::open_in(netns, std::move(handlers));
  REQUIRE(monitor);
  REQUIRE(rtnl.add_veth({"sla", {}, {}, {}, false}, {"slb", {}, {}, {}, false}));
  pollfd entry{monitor->fd(), POLLIN, 0};
  CHECK(::poll(&entry, 1, 0) == 0);
}

TEST_CASE("Lost events are told") {
  const auto netns = *os::NetNs::create_anonymous();
  auto rtnl = *Rtnl::open_in(netns);
  Seen seen;
  auto monitor = Monitor::open_in(netns, seen.handlers());
  REQUIRE(monitor);
  const int tiny = 1;
  REQUIRE(::setsockopt(monitor->fd(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny) == 0);
  for (int i = 0; i < 20; ++i) {
    const std::string n = std::to_string(i);
    REQUIRE(rtnl.add_veth({"sla" + n, {}, {}, {}, false}, {"slb" + n, {}, {}, {}, false}));
  }
  CHECK(monitor->dispatch());
  CHECK(seen.overruns > 0);
}
