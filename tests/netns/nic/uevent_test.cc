// SPDX-License-Identifier: Apache-2.0
// Device events of links that come and go in a namespace of its own.
#include "common/netlink/uevent.h"

#include <doctest/doctest.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "common/netlink/rtnetlink.h"
#include "common/os/netns.h"

using namespace sluice;
using namespace sluice::netlink;

TEST_CASE("A link that comes and goes is told; what others send is not") {
  const auto netns = *os::NetNs::create_anonymous();
  auto rtnl = *Rtnl::open_in(netns);
  const auto loop = *os::EventLoop::create();
  std::vector<Uevent> seen;
  bool timed_out = false;
  std::unique_ptr<UeventListener> listener;
  UeventHandlers handlers;
  handlers.event = [&](const Uevent& event) {
    seen.push_back(event);
    if (event.action == "remove" && event.path.ends_with("/net/slu0")) loop->stop();
  };
  REQUIRE(netns.run_in([&]() -> Status {
    SLUICE_TRY(listener, UeventListener::open(*loop, handlers));
    // Somebody else to the same group: dropped, whatever it says.
    const int fd = ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    sockaddr_nl group{};
    group.nl_family = AF_NETLINK;
    group.nl_groups = 1;
    const char forged[] = "add@/devices/forged\0SUBSYSTEM=pci";
    (void)::sendto(fd, forged, sizeof forged, 0, reinterpret_cast<const sockaddr*>(&group),
                   sizeof group);
    ::close(fd);
    return {};
  }));
  REQUIRE(rtnl.add_veth({"slu0", {}, {}, {}, false}, {"slu1", {}, {}, {}, false}));
  REQUIRE(rtnl.delete_link(rtnl.link("slu0")->index));
  loop->after(std::chrono::seconds(30), [&] {
    timed_out = true;
    loop->stop();
  });
  loop->run();
  CHECK_FALSE(timed_out);
  const auto told = [&](const char* action, const char* path) {
    return std::any_of(seen.begin(), seen.end(), [&](const Uevent& event) {
      return event.action == action && event.path == path && event.subsystem == "net";
    });
  };
  CHECK(told("add", "/devices/virtual/net/slu0"));
  CHECK(told("remove", "/devices/virtual/net/slu0"));
  CHECK(std::none_of(seen.begin(), seen.end(),
                     [](const Uevent& event) { return event.path == "/devices/forged"; }));
}
