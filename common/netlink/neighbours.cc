// SPDX-License-Identifier: Apache-2.0
// Rtnl: IPv4 neighbours, and the forwarding database of a bridge (which is the same message).
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/netlink/rtnl_impl.h"

namespace sluice::netlink {
namespace {

ndmsg neighbour_header(int family, IfIndex link) {
  ndmsg header{};
  header.ndm_family = static_cast<std::uint8_t>(family);
  header.ndm_ifindex = static_cast<int>(link.value);
  return header;
}

ndmsg fdb_header(IfIndex port) {
  ndmsg header = neighbour_header(AF_BRIDGE, port);
  header.ndm_flags = NTF_MASTER;  // in the bridge's table, not in the device's own
  header.ndm_state = NUD_NOARP;   // static: doesn't age, and isn't the bridge's own address
  return header;
}

MessageWriter probe_message(IfIndex link, Ipv4 ip) {
  ndmsg header = neighbour_header(AF_INET, link);
  header.ndm_flags = NTF_USE;
  MessageWriter message(RTM_NEWNEIGH, NLM_F_CREATE);
  message.put_struct(header);
  message.put_ipv4(NDA_DST, ip);
  return message;
}

}  // namespace

bool Neighbour::usable() const {
  constexpr std::uint16_t kUsable =
      NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
  return (state & kUsable) != 0 && !mac.is_zero();
}

Status Rtnl::add_fdb(IfIndex port, const MacAddr& mac) {
  // REPLACE, not EXCL: an entry for another port, or a learned one, must become this one.
  MessageWriter message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  message.put_struct(fdb_header(port));
  message.put_mac(NDA_LLADDR, mac);
  return impl_->change(message, "add forwarding entry " + mac.to_string() + on_link(port));
}

Status Rtnl::delete_fdb(IfIndex port, const MacAddr& mac) {
  MessageWriter message(RTM_DELNEIGH, 0);
  message.put_struct(fdb_header(port));
  message.put_mac(NDA_LLADDR, mac);
  return impl_->change(message, "delete forwarding entry " + mac.to_string() + on_link(port),
                       {ENOENT, ENODEV});
}

Result<std::vector<Neighbour>> Rtnl::neighbours(IfIndex link) {
  MessageWriter message(RTM_GETNEIGH, 0);
  message.put_struct(neighbour_header(AF_INET, {}));
  if (link.value != 0) message.put_number(NDA_IFINDEX, link.value);
  SLUICE_TRY(const auto replies, impl_->transport.dump(message, "list neighbours" + on_link(link)));
  SLUICE_TRY(auto all, decode_all<Neighbour>(replies, decode_neighbour));
  if (link.value != 0) std::erase_if(all, [&](const Neighbour& n) { return n.link != link; });
  return all;
}

Status Rtnl::replace_neighbour(const Neighbour& neighbour) {
  ndmsg header = neighbour_header(AF_INET, neighbour.link);
  header.ndm_state = neighbour.state != 0 ? neighbour.state : std::uint16_t{NUD_PERMANENT};
  MessageWriter message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  message.put_struct(header);
  message.put_ipv4(NDA_DST, neighbour.ip);
  if (!neighbour.mac.is_zero()) message.put_mac(NDA_LLADDR, neighbour.mac);
  return impl_->change(message,
                       "replace neighbour " + neighbour.ip.to_string() + on_link(neighbour.link));
}

Status Rtnl::probe_neighbour(IfIndex link, Ipv4 ip) {
  auto message = probe_message(link, ip);
  return impl_->change(message, "probe neighbour " + ip.to_string() + on_link(link));
}

// Who asks for its own address announces it. The entry would only go on asking, and be left as a
// failed one.
Status Rtnl::announce(IfIndex link, Ipv4 own) {
  MessageWriter forget(RTM_DELNEIGH, 0);
  forget.put_struct(neighbour_header(AF_INET, link));
  forget.put_ipv4(NDA_DST, own);
  const std::string name = own.to_string() + on_link(link);
  std::vector<Transport::BatchRequest> requests;
  requests.push_back({probe_message(link, own), "announce " + name});
  requests.push_back({std::move(forget), "forget neighbour " + name});
  return impl_->change_all(std::move(requests), {ENOENT});
}

}  // namespace sluice::netlink
