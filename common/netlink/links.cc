// SPDX-License-Identifier: Apache-2.0
// Rtnl: links, what is on them, bridge ports.
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "common/netlink/rtnl_impl.h"

namespace sluice::netlink {
namespace {

constexpr std::size_t kMaxAlias = 255;    // IFALIASZ - 1
constexpr std::size_t kMaxAltName = 127;  // ALTIFNAMSIZ - 1

void set_flag(ifinfomsg& header, unsigned flag, bool on) {
  header.ifi_change |= flag;
  if (on) header.ifi_flags |= flag;
}

Result<Link> only_link(const Result<std::vector<Reply>>& replies, std::string_view what) {
  if (!replies) return fail(replies.error());
  SLUICE_TRY(auto links, decode_all<Link>(*replies, decode_link));
  if (links.empty()) return fail(Code::kNotFound, std::string(what) + ": the answer is empty");
  return std::move(links.front());
}

// The attributes that a veth's two ends have in common.
Status put_veth_end(MessageWriter& message, const VethEnd& end, bool up) {
  SLUICE_CHECK_OK(check_link_name(end.name));
  ifinfomsg header = link_header({});
  if (up) set_flag(header, IFF_UP, true);
  message.put_struct(header);
  message.put_text(IFLA_IFNAME, end.name);
  if (end.mac) message.put_mac(IFLA_ADDRESS, *end.mac);
  if (end.mtu) message.put_number(IFLA_MTU, *end.mtu);
  if (end.netns_fd) message.put_number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(*end.netns_fd));
  return {};
}

// By its name where it is now. When that fails the pair goes away again: half of it helps nobody.
Status put_up(Rtnl& rtnl, const std::string& name) {
  SLUICE_TRY(const auto link, rtnl.link(name));
  LinkChange change;
  change.up = true;
  auto status = rtnl.change_link(link.index, change);
  if (!status) (void)rtnl.delete_link(link.index);
  return status;
}

// Detaching where there is nothing is success.
void put_no_xdp(MessageWriter& message, std::uint32_t mode) {
  const auto xdp = message.begin(IFLA_XDP | NLA_F_NESTED);
  message.put_number(IFLA_XDP_FD, std::int32_t{-1});
  message.put_number(IFLA_XDP_FLAGS, mode);
  message.end(xdp);
}

Status put_alias(MessageWriter& message, const std::string& alias) {
  if (alias.size() > kMaxAlias) {
    return fail(Code::kInvalid, "link alias has " + std::to_string(alias.size()) +
                                    " bytes; allowed are " + std::to_string(kMaxAlias));
  }
  // Without the final zero: an empty one takes the alias away.
  message.put(IFLA_IFALIAS, alias.data(), alias.size());
  return {};
}

void put_flag(MessageWriter& message, std::uint16_t type, const std::optional<bool>& flag) {
  if (flag) message.put_number(type, static_cast<std::uint8_t>(*flag ? 1 : 0));
}

}  // namespace

Result<std::vector<Link>> Rtnl::links() {
  MessageWriter message(RTM_GETLINK, 0);
  message.put_struct(link_header({}));
  message.put_number(IFLA_EXT_MASK, kSkipStats);
  SLUICE_TRY(const auto replies, impl_->transport.dump(message, "list links"));
  return decode_all<Link>(replies, decode_link);
}

Result<Link> Rtnl::link(std::string_view name) {
  SLUICE_CHECK_OK(check_link_name(name));
  MessageWriter message(RTM_GETLINK, 0);
  message.put_struct(link_header({}));
  message.put_text(IFLA_IFNAME, name);
  message.put_number(IFLA_EXT_MASK, kSkipStats);
  const std::string what = "read link " + std::string(name);
  return only_link(impl_->transport.request(message, what), what);
}

Result<Link> Rtnl::link(IfIndex index) {
  const std::string what = "read link " + std::to_string(index.value);
  if (index.value == 0) return fail(Code::kNotFound, what + ": 0 is no link's index");
  MessageWriter message(RTM_GETLINK, 0);
  message.put_struct(link_header(index));
  message.put_number(IFLA_EXT_MASK, kSkipStats);
  return only_link(impl_->transport.request(message, what), what);
}

// Without a mode the kernel means the native one wherever the driver has that, and leaves a generic
// program where it is.
Status Rtnl::Impl::detach_generic_xdp(IfIndex index, std::string_view what) {
  MessageWriter message(RTM_SETLINK, 0);
  message.put_struct(link_header(index));
  put_no_xdp(message, XDP_FLAGS_SKB_MODE);
  return change(message, what);
}

Status Rtnl::change_link(IfIndex index, const LinkChange& change) {
  ifinfomsg header = link_header(index);
  if (change.up) set_flag(header, IFF_UP, *change.up);
  if (change.arp) set_flag(header, IFF_NOARP, !*change.arp);
  if (change.promiscuous) set_flag(header, IFF_PROMISC, *change.promiscuous);
  if (change.all_multicast) set_flag(header, IFF_ALLMULTI, *change.all_multicast);
  MessageWriter message(RTM_SETLINK, 0);
  message.put_struct(header);
  // The kernel's own order is fixed, whatever ours: namespace, MAC, MTU, group, name, alias, then
  // flags and master, queue length, XDP.
  if (change.netns_fd) {
    message.put_number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(*change.netns_fd));
  }
  if (change.name) {
    SLUICE_CHECK_OK(check_link_name(*change.name));
    message.put_text(IFLA_IFNAME, *change.name);
  }
  if (change.mac) message.put_mac(IFLA_ADDRESS, *change.mac);
  if (change.mtu) message.put_number(IFLA_MTU, *change.mtu);
  if (change.master) message.put_number(IFLA_MASTER, change.master->value);
  if (change.group) message.put_number(IFLA_GROUP, *change.group);
  if (change.tx_queue_length) message.put_number(IFLA_TXQLEN, *change.tx_queue_length);
  if (change.alias) SLUICE_CHECK_OK(put_alias(message, *change.alias));
  const std::string what = "change link " + std::to_string(index.value);
  if (change.detach_xdp) {
    SLUICE_CHECK_OK(impl_->detach_generic_xdp(index, what));
    put_no_xdp(message, 0);
  }
  return impl_->change(message, what);
}

Status Rtnl::delete_altnames(IfIndex index, const std::vector<std::string>& names) {
  std::vector<Transport::BatchRequest> requests;
  for (const auto& name : names) {
    if (name.empty() || name.size() > kMaxAltName) {
      return fail(Code::kInvalid, "alternative link name '" + name.substr(0, 200) +
                                      "' is not allowed; it must have 1 to 127 bytes");
    }
    MessageWriter message(RTM_DELLINKPROP, 0);
    message.put_struct(link_header(index));
    const auto list = message.begin(IFLA_PROP_LIST | NLA_F_NESTED);
    message.put_text(IFLA_ALT_IFNAME, name);
    message.end(list);
    requests.push_back({std::move(message), "delete alternative name " + name + on_link(index)});
  }
  return impl_->change_all(std::move(requests), {ENOENT});
}

Status Rtnl::reset_qdiscs(IfIndex index) {
  std::vector<Transport::BatchRequest> requests;
  for (const std::uint32_t parent : {TC_H_ROOT, TC_H_INGRESS}) {  // clsact's parent is the latter
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = static_cast<int>(index.value);
    header.tcm_parent = parent;
    MessageWriter message(RTM_DELQDISC, 0);
    message.put_struct(header);
    const std::string which = parent == TC_H_ROOT ? "root" : "ingress";
    requests.push_back({std::move(message), "delete the " + which + " qdisc" + on_link(index)});
  }
  // A kernel without traffic control has nothing to reset.
  return impl_->change_all(std::move(requests), {ENOENT, EOPNOTSUPP});
}

Status Rtnl::add_veth(const VethEnd& one, const VethEnd& other) {
  MessageWriter message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  SLUICE_CHECK_OK(put_veth_end(message, one, one.up));
  const auto info = message.begin(IFLA_LINKINFO | NLA_F_NESTED);
  message.put_text(IFLA_INFO_KIND, "veth");
  const auto data = message.begin(IFLA_INFO_DATA | NLA_F_NESTED);
  const auto peer = message.begin(VETH_INFO_PEER);
  // Not up yet: the kernel makes this end first and refuses to open it while it has no peer.
  SLUICE_CHECK_OK(put_veth_end(message, other, false));
  message.end(peer);
  message.end(data);
  message.end(info);
  SLUICE_CHECK_OK(impl_->change(message, "make veth " + one.name + " and " + other.name));
  if (!other.up) return {};
  if (!other.netns_fd) return put_up(*this, other.name);
  SLUICE_TRY(const auto netns, os::NetNs::open("/proc/self/fd/" + std::to_string(*other.netns_fd)));
  SLUICE_TRY(auto there, open_in(netns));
  return put_up(there, other.name);
}

Status Rtnl::add_bridge(std::string_view name, std::optional<MacAddr> mac) {
  SLUICE_CHECK_OK(check_link_name(name));
  MessageWriter message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.put_struct(link_header({}));
  message.put_text(IFLA_IFNAME, name);
  if (mac) message.put_mac(IFLA_ADDRESS, *mac);
  const auto info = message.begin(IFLA_LINKINFO | NLA_F_NESTED);
  message.put_text(IFLA_INFO_KIND, "bridge");
  message.end(info);
  return impl_->change(message, "make bridge " + std::string(name));
}

Status Rtnl::delete_link(IfIndex index) {
  const std::string what = "delete link " + std::to_string(index.value);
  if (index.value == 0) return fail(Code::kInvalid, what + ": 0 is no link's index");
  MessageWriter message(RTM_DELLINK, 0);
  message.put_struct(link_header(index));
  return impl_->change(message, what, {ENODEV});
}

Status Rtnl::set_bridge_port(IfIndex port, const BridgePort& flags) {
  ifinfomsg header = link_header(port);
  header.ifi_family = AF_BRIDGE;
  MessageWriter message(RTM_SETLINK, 0);
  message.put_struct(header);
  // The flag tells the kernel that this is not the old form, one byte of port state.
  const auto info = message.begin(IFLA_PROTINFO | NLA_F_NESTED);
  put_flag(message, IFLA_BRPORT_ISOLATED, flags.isolated);
  put_flag(message, IFLA_BRPORT_LOCKED, flags.locked);
  put_flag(message, IFLA_BRPORT_LEARNING, flags.learning);
  put_flag(message, IFLA_BRPORT_UNICAST_FLOOD, flags.flood);
  put_flag(message, IFLA_BRPORT_MCAST_FLOOD, flags.multicast_flood);
  put_flag(message, IFLA_BRPORT_BCAST_FLOOD, flags.broadcast_flood);
  put_flag(message, IFLA_BRPORT_MODE, flags.hairpin);
  message.end(info);
  return impl_->change(message, "set bridge port " + std::to_string(port.value));
}

}  // namespace sluice::netlink
