// SPDX-License-Identifier: Apache-2.0
// node_uplinks() against the kernel, in anonymous namespaces: nothing of the host's.
#include "common/nic/uplink.h"

#include <doctest/doctest.h>

#include <sstream>

#include "common/os/process.h"

using namespace sluice;
using namespace sluice::nic;

namespace {

struct Node {
  os::NetNs netns = *os::NetNs::create_anonymous();
  netlink::Rtnl rtnl = *netlink::Rtnl::open_in(netns);

  // "link add eth0 type dummy"; false when the kernel has no such thing.
  bool try_ip(const std::string& words) const {
    std::vector<std::string> argv{"ip"};
    std::istringstream stream(words);
    for (std::string word; stream >> word;) argv.push_back(word);
    return try_run(argv);
  }
  bool try_run(const std::vector<std::string>& argv) const {
    bool done = false;
    const auto status = netns.run_in([&]() -> Status {
      SLUICE_TRY(const auto exit, os::run_program(argv, ""));
      done = exit.status == 0;
      return {};
    });
    REQUIRE(status);
    return done;
  }
  void run(const std::vector<std::string>& argv) const { REQUIRE(try_run(argv)); }
  void ip(const std::string& words) const {
    INFO("ip " << words);
    REQUIRE(try_ip(words));
  }
  void add_port(const std::string& name) const {
    ip("link add " + name + " type veth peer name peer-" + name);
    ip("link set " + name + " up");
    ip("link set peer-" + name + " up");
  }
  Uplinks uplinks() {
    auto found = node_uplinks(rtnl);
    REQUIRE_MESSAGE(found, found.error().to_string());
    return *found;
  }
};

}  // namespace

TEST_CASE("A node without a default route has no uplink; with one, of either family, it has") {
  Node node;
  CHECK(node.uplinks().empty());
  node.add_port("eth0");
  node.ip("addr add 10.0.0.2/24 dev eth0");
  node.ip("route add 10.1.0.0/16 via 10.0.0.1");
  CHECK(node.uplinks().empty());
  node.ip("route add default via 10.0.0.1");
  CHECK(node.uplinks() == Uplinks{{"eth0", "carries the default route"}});
  node.ip("route del default");
  node.ip("route add default dev eth0 table 253");
  CHECK(node.uplinks().size() == 1);
  node.ip("route del default table 253");
  node.ip("route add default dev eth0 table 100");
  CHECK(node.uplinks().empty());
  node.ip("route add unreachable default metric 900");
  CHECK(node.uplinks().empty());

  node.add_port("eth1");
  if (node.try_ip("-6 addr add fd00::2/64 dev eth1 nodad")) {
    node.ip("-6 route add default via fd00::1");
    CHECK(node.uplinks() == Uplinks{{"eth1", "carries the IPv6 default route"}});
  } else {
    MESSAGE("this kernel has no IPv6");
  }
}

TEST_CASE("Multipath, by next hops in the route and by nexthop objects") {
  Node node;
  for (const char* name : {"eth0", "eth1"}) node.add_port(name);
  node.ip("addr add 10.0.0.2/24 dev eth0");
  node.ip("addr add 10.0.1.2/24 dev eth1");
  node.ip("route add default nexthop via 10.0.0.1 nexthop via 10.0.1.1");
  CHECK(node.uplinks().size() == 2);
  node.ip("route del default");
  if (node.try_ip("nexthop add id 1 via 10.0.0.1 dev eth0")) {
    node.ip("nexthop add id 2 via 10.0.1.1 dev eth1");
    node.ip("nexthop add id 10 group 1/2");
    node.ip("route add default nhid 10");
    CHECK(node.uplinks().size() == 2);
    // Then the kernel says no more than the object's id.
    node.run({"sysctl", "-q", "-w", "net.ipv4.nexthop_compat_mode=0"});
    CHECK(node.uplinks().size() == 2);
  } else {
    MESSAGE("this kernel has no nexthop objects");
  }
}

TEST_CASE("Down through a VLAN on a bridge") {
  Node node;
  for (const char* name : {"eth0", "eth1", "eth2"}) node.add_port(name);
  node.ip("link add br0 type bridge");
  node.ip("link set br0 up");
  for (const char* name : {"eth0", "eth1"})
    node.ip(std::string("link set ") + name + " master br0");
  std::string top = "br0";
  if (node.try_ip("link add link br0 name br0.7 type vlan id 7")) {
    top = "br0.7";
    node.ip("link set br0.7 up");
  } else {
    MESSAGE("this kernel has no VLANs");
  }
  node.ip("addr add 10.0.0.2/24 dev " + top);
  node.ip("route add default via 10.0.0.1");
  const auto uplinks = node.uplinks();
  CHECK(uplinks.at("eth0") == "carries the default route by " + top);
  CHECK(uplinks.contains("eth1"));
  CHECK(uplinks.contains("br0"));
  CHECK_FALSE(uplinks.contains("eth2"));
  CHECK_FALSE(uplinks.contains("peer-eth0"));
}

TEST_CASE("Down through a bond") {
  Node node;
  for (const char* name : {"eth0", "eth1"}) node.add_port(name);
  if (!node.try_ip("link add bond0 type bond mode active-backup")) {
    MESSAGE("this kernel has no bonds");
    return;
  }
  node.ip("link set eth0 down");
  node.ip("link set eth0 master bond0");
  node.ip("link set bond0 up");
  node.ip("addr add 10.0.0.2/24 dev bond0");
  node.ip("route add default via 10.0.0.1");
  CHECK(node.uplinks() == Uplinks{{"bond0", "carries the default route"},
                                  {"eth0", "carries the default route by bond0"}});
}
