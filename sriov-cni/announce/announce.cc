// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/announce/announce.h"

#include <linux/if.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>

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

class Sender {
 public:
  // In the namespace of the calling thread.
  Status open(netlink::IfIndex link) {
    link_ = link;
    // Protocol 0: it only sends.
    fd_.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd_) return fail_errno(errno, "open a packet socket");
    return {};
  }

  int fd() const { return fd_.get(); }

  Status send(const MacAddr& mac, const std::vector<IpAddr>& addresses) const {
    Status first;
    for (const auto& address : addresses) {
      auto sent = send(announcement(mac, address), address);
      if (!sent && first) first = std::move(sent);
    }
    return first;
  }

 private:
  Status send(const std::vector<std::uint8_t>& frame, const IpAddr& address) const {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(link_.value);
    const auto put = ::sendto(fd_.get(), frame.data(), frame.size(), 0,
                              reinterpret_cast<const sockaddr*>(&to), sizeof to);
    if (put < 0) return fail_errno(errno, "announce " + address.to_string());
    return {};
  }

  os::UniqueFd fd_;
  netlink::IfIndex link_;
};

}  // namespace

Status announce(const os::NetNs& pod, netlink::IfIndex link, const MacAddr& mac,
                const std::vector<IpAddr>& addresses) {
  if (addresses.empty()) return {};
  if (mac.is_zero()) {  // InfiniBand: its addresses are resolved by the subnet manager's means
    return fail(Code::kUnsupported, "a link without an Ethernet address is not announced");
  }
  Sender sender;
  netlink::Link now;
  auto looked = pod.run_in([&]() -> Status {
    SLUICE_CHECK_OK(sender.open(link));
    SLUICE_TRY(auto rtnl, netlink::Rtnl::open());
    SLUICE_TRY(now, rtnl.link(link));
    return {};
  });
  if (!looked) return looked;
  if (ready(now)) return sender.send(mac, addresses);

  constexpr std::chrono::seconds kMargin{1};  // the wait ends by itself before it is ended
  return start_detached({pod.fd(), sender.fd()}, kPatience + kMargin, [&] {
    if (!netlink::wait_link(pod, link, ready, kPatience)) return;
    // Nobody is left to be told.
    [[maybe_unused]] const auto sent = sender.send(mac, addresses);
  });
}

}  // namespace sluice::cni
