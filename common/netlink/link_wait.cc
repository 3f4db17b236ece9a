// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/link_wait.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace sluice::netlink {
namespace {

// What the events since the last look said.
struct Watch {
  const LinkPredicate& holds;
  IfIndex only;  // {0}: any link
  std::optional<Link> found;
  bool gone = false;  // the last event said so
  bool lost = false;  // events were: look again

  void see(const LinkEvent& event) {
    if (only.value != 0 && event.link.index != only) return;
    gone = event.deleted;
    if (!event.deleted && !found && holds(event.link)) found = event.link;
  }

  Status look(Rtnl& rtnl) {
    lost = false;
    std::vector<Link> links;
    if (only.value != 0) {
      SLUICE_TRY(auto link, rtnl.link(only));
      links.push_back(std::move(link));
    } else {
      SLUICE_TRY(links, rtnl.links());
    }
    for (const auto& link : links) {
      if (!found && holds(link)) found = link;
    }
    return {};
  }
};

// Until there is an event or the time is over.
Status sleep_on(const Monitor& monitor, Duration left) {
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  const auto most = std::numeric_limits<int>::max();
  pollfd entry{monitor.fd(), POLLIN, 0};
  const int timeout = static_cast<int>(std::min<decltype(wait)>(wait, most));
  if (::poll(&entry, 1, timeout) < 0 && errno != EINTR) {
    return fail_errno(errno, "wait for a link");
  }
  return {};
}

Result<Link> wait_for(const os::NetNs& netns, IfIndex only, const LinkPredicate& holds,
                      Duration timeout) {
  const std::string what =
      only.value != 0 ? "wait for link " + std::to_string(only.value) : "wait for a link";
  const SteadyClock clock;
  const TimePoint end = clock.now() + timeout;
  Watch watch{holds, only, {}};
  MonitorHandlers handlers;
  handlers.link = [&watch](const LinkEvent& event) { watch.see(event); };
  handlers.overrun = [&watch] { watch.lost = true; };
  SLUICE_TRY(auto monitor, Monitor::open_in(netns, std::move(handlers)));
  SLUICE_TRY(auto rtnl, Rtnl::open_in(netns));
  SLUICE_CHECK_OK(watch.look(rtnl));
  while (!watch.found) {
    if (only.value != 0 && watch.gone) return fail(Code::kNotFound, what + ": it is gone");
    const Duration left = end - clock.now();
    if (left <= Duration::zero()) {
      return fail(Error{Code::kTimeout,
                        Domain::kNone,
                        0,
                        what + ": it is not as it should be",
                        {},
                        Retry::kLater});
    }
    SLUICE_CHECK_OK(sleep_on(monitor, left));
    SLUICE_CHECK_OK(monitor.dispatch());
    if (watch.lost) SLUICE_CHECK_OK(watch.look(rtnl));
  }
  return *watch.found;
}

}  // namespace

Result<Link> wait_link(const os::NetNs& netns, IfIndex index, const LinkPredicate& holds,
                       Duration timeout) {
  if (index.value == 0) return fail(Code::kNotFound, "wait for link 0: it is no link's index");
  return wait_for(netns, index, holds, timeout);
}

Result<Link> wait_any_link(const os::NetNs& netns, const LinkPredicate& holds, Duration timeout) {
  return wait_for(netns, {}, holds, timeout);
}

}  // namespace sluice::netlink
