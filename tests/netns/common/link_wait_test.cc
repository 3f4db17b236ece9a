// SPDX-License-Identifier: Apache-2.0
// Waiting for links by the kernel's events. The deadline of what must happen is far away.
#include "common/netlink/link_wait.h"

#include <atomic>
#include <thread>

#include "tests/netns/common/space.h"

using namespace sluice;
using namespace sluice::netlink;

namespace {

constexpr Duration kFar = std::chrono::seconds(60);

LinkPredicate is_named(std::string name) {
  return [name](const Link& link) { return link.name == name; };
}

// Lets the other thread act as soon as the waiter has looked for the first time.
class Gate {
 public:
  LinkPredicate around(LinkPredicate inner) {
    return [this, inner](const Link& link) {
      const bool holds = inner(link);
      looked_.store(true);
      looked_.notify_all();
      return holds;
    };
  }
  void wait() { looked_.wait(false); }

 private:
  std::atomic<bool> looked_ = false;
};

}  // namespace

TEST_CASE("A link that is as it should be is found at the first look") {
  VethSpace space;
  const auto link = wait_link(space.netns, space.a, is_named("sla"), Duration::zero());
  REQUIRE_OK(link);
  CHECK(link->index == space.a);
  REQUIRE_OK(wait_any_link(space.netns, is_named("slb"), Duration::zero()));
}

TEST_CASE("Carrier comes with the other end") {
  VethSpace space;
  LinkChange change;
  change.up = false;
  REQUIRE_OK(space.rtnl.change_link(space.b, change));
  const auto has_carrier = [](const Link& link) { return link.carrier; };
  REQUIRE_OK(wait_link(
      space.netns, space.a, [](const Link& l) { return !l.carrier; }, kFar));
  Gate gate;
  std::thread other([&] {
    gate.wait();
    LinkChange up;
    up.up = true;
    CHECK(space.rtnl.change_link(space.b, up));
  });
  const auto link = wait_link(space.netns, space.a, gate.around(has_carrier), kFar);
  other.join();
  REQUIRE_OK(link);
  CHECK(link->carrier);
}

TEST_CASE("A link that comes from another namespace is found under whatever name") {
  VethSpace space;
  Space home;
  Gate gate;
  const MacAddr mac = space.rtnl.link(space.a)->mac;
  const auto is_it = [mac](const Link& link) { return link.mac == mac; };
  std::thread other([&] {
    gate.wait();
    LinkChange change;
    change.netns_fd = home.netns.fd();
    change.name = "net1";
    CHECK(space.rtnl.change_link(space.a, change));
  });
  const auto link = wait_any_link(home.netns, gate.around(is_it), kFar);
  other.join();
  REQUIRE_OK(link);
  // The kernel tells of the move first, then of the name.
  REQUIRE_OK(wait_link(home.netns, link->index, is_named("net1"), kFar));
}

TEST_CASE("A link that is away, or goes away, isn't waited for") {
  VethSpace space;
  const auto never = [](const Link&) { return false; };
  CHECK(wait_link(space.netns, {}, never, kFar).error().code == Code::kNotFound);
  CHECK(wait_link(space.netns, {space.b.value + 1000}, never, kFar).error().code ==
        Code::kNotFound);
  Gate gate;
  std::thread other([&] {
    gate.wait();
    CHECK(space.rtnl.delete_link(space.a));
  });
  const auto gone = wait_link(space.netns, space.a, gate.around(never), kFar);
  other.join();
  CHECK(gone.error().code == Code::kNotFound);
}

TEST_CASE("What never comes is a timeout that may be tried again") {
  VethSpace space;
  const auto never = [](const Link&) { return false; };
  for (const Duration timeout : {Duration::zero(), Duration(std::chrono::milliseconds(20))}) {
    for (const auto& outcome : {wait_link(space.netns, space.a, never, timeout),
                                wait_any_link(space.netns, never, timeout)}) {
      REQUIRE_FALSE(outcome);
      CHECK(outcome.error().code == Code::kTimeout);
      CHECK(outcome.error().retry == Retry::kLater);
    }
  }
}
