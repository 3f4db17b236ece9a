// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/announce/announce.h"

#include <linux/if.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "common/base/first_error.h"
#include "common/netlink/link_wait.h"
#include "common/os/unique_fd.h"
#include "sriov-cni/announce/frames.h"
#include "sriov-cni/announce/waiter.h"

namespace sluice::cni {
namespace {

constexpr std::chrono::seconds kPatience{3};

// The operational state says that the kernel has put the queues to work; after carrier came, that
// is a moment later, and what is sent in between is lost without an error.
bool ready(const netlink::Link& link) {
  return link.up && link.carrier &&
         (link.oper_state == IF_OPER_UP || link.oper_state == IF_OPER_UNKNOWN);
}

struct Addresses {
  std::vector<Ipv4> by_kernel;
  std::vector<IpAddr> by_frame;  // in frames of our own, by a packet socket
};

Addresses sort_out(const std::vector<IpPrefix>& addresses) {
  Addresses out;
  for (auto each = addresses.begin(); each != addresses.end(); ++each) {
    const auto& address = each->address;
    const auto v4 = address.v4();
    const bool is_secondary = std::any_of(
        addresses.begin(), each, [&](const IpPrefix& before) { return before.contains(address); });
    if (v4 && !is_secondary) {
      out.by_kernel.push_back(*v4);
    } else {
      out.by_frame.push_back(address);
    }
  }
  return out;
}

Status send_frames(const os::NetNs& pod, netlink::IfIndex link, const MacAddr& mac,
                   const std::vector<IpAddr>& addresses) {
  if (addresses.empty()) return {};
  os::UniqueFd fd;
  SLUICE_CHECK_OK(pod.run_in([&]() -> Status {
    // Protocol 0: it only sends.
    fd.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return fd ? Status{} : fail_errno(errno, "open a packet socket");
  }));
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(link.value);
  FirstError first;
  for (const auto& address : addresses) {
    const auto frame = announcement(mac, address);
    const auto put = ::sendto(fd.get(), frame.data(), frame.size(), 0,
                              reinterpret_cast<const sockaddr*>(&to), sizeof to);
    if (put < 0) first.keep(fail_errno(errno, "announce " + address.to_string()));
  }
  return std::move(first).take();
}

}  // namespace

Status announce(const os::NetNs& pod, netlink::IfIndex link, const MacAddr& mac,
                const std::vector<IpPrefix>& given) {
  if (given.empty()) return {};
  if (mac.is_zero()) {  // InfiniBand: its addresses are resolved by the subnet manager's means
    return fail(Code::kUnsupported, "a link without an Ethernet address is not announced");
  }
  const auto addresses = sort_out(given);
  const auto send_all = [&](netlink::Rtnl& there) -> Status {
    FirstError first;
    for (const auto& own : addresses.by_kernel) first.keep(there.announce(link, own));
    first.keep(send_frames(pod, link, mac, addresses.by_frame));
    return std::move(first).take();
  };
  SLUICE_TRY(auto there, netlink::Rtnl::open_in(pod));
  SLUICE_TRY(const auto now, there.link(link));
  if (ready(now)) return send_all(there);

  constexpr std::chrono::seconds kMargin{1};  // the wait ends by itself before it is ended
  return start_detached({pod.fd()}, kPatience + kMargin, [&] {
    if (!netlink::wait_link(pod, link, ready, kPatience)) return;
    auto its_own = netlink::Rtnl::open_in(pod);
    if (!its_own) return;
    // Nobody is left to be told.
    [[maybe_unused]] const auto sent = send_all(*its_own);
  });
}

}  // namespace sluice::cni
