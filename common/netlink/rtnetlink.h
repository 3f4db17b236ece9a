// SPDX-License-Identifier: Apache-2.0
// Links, addresses, routes, neighbours and bridge ports by rtnetlink, as value types.
//
// Contract: one Rtnl is one NETLINK_ROUTE socket in the namespace of the thread that opened it
// (open_in(): in another). Requests are acknowledged; every Error carries the kernel's extack text.
// Threading: one thread at a time.
// Source of the attributes: include/uapi/linux/{rtnetlink,if_link,neighbour,if_bridge,veth}.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/addr.h"
#include "common/base/ip.h"
#include "common/base/result.h"
#include "common/netlink/vf_attributes.h"
#include "common/os/netns.h"

namespace sluice::netlink {

struct IfIndex {
  std::uint32_t value = 0;  // 0: none
  auto operator<=>(const IfIndex&) const = default;
};

struct Link {
  IfIndex index;
  std::string name;
  std::string kind;  // IFLA_INFO_KIND: "veth", "bridge", "" for hardware
  MacAddr mac;       // zero: none, or an address of another length than 6 bytes
  std::uint32_t mtu = 0;
  bool up = false;              // IFF_UP
  bool carrier = false;         // IFLA_CARRIER
  std::uint8_t oper_state = 0;  // IF_OPER_*
  IfIndex peer;                 // IFLA_LINK: a veth's peer, in `peer_netns` when that is set
  std::optional<std::int32_t> peer_netns;  // IFLA_LINK_NETNSID
  IfIndex master;
  std::string alias;              // IFLA_IFALIAS
  std::uint32_t promiscuity = 0;  // by whomever: user space, a bridge, packet sockets
  std::string parent;             // IFLA_PARENT_DEV_NAME of a PCI function: "0000:3b:00.2"; else ""
  std::vector<std::string> altnames;
  bool promiscuous = false, all_multicast = false;  // IFF_*: as user space set them
  std::string qdisc;                                // the root's kind
  std::uint32_t group = 0, tx_queue_length = 0;
  bool xdp = false;  // a program is attached, in whatever mode
  static constexpr std::uint16_t kEthernet = 1, kInfiniband = 32;
  std::uint16_t type = kEthernet;  // ARPHRD_*
};

// What a SETLINK shall change; unset: stays.
struct LinkChange {
  std::optional<std::string> name;
  std::optional<MacAddr> mac;
  std::optional<std::uint32_t> mtu;
  std::optional<bool> up;
  std::optional<bool> arp;        // false: IFF_NOARP
  std::optional<IfIndex> master;  // {0}: none
  std::optional<int> netns_fd;    // moves it
  std::optional<std::string> alias;
  std::optional<bool> promiscuous, all_multicast;
  std::optional<std::uint32_t> group, tx_queue_length;
  // A request more, before the others: generic and native programs are two in the kernel's eyes.
  bool detach_xdp = false;
};

struct VethEnd {
  std::string name;
  std::optional<MacAddr> mac;
  std::optional<std::uint32_t> mtu;
  std::optional<int> netns_fd;  // where this end is made; unset: here
  bool up = false;
};

// IFLA_BRPORT_*
struct BridgePort {
  std::optional<bool> isolated, locked, learning, flood, multicast_flood, broadcast_flood, hairpin;
};

struct Address {
  IfIndex link;
  Ipv4 ip;
  std::uint8_t prefix_length = 32;
  auto operator<=>(const Address&) const = default;
};

struct Route {
  Prefix4 destination;
  std::optional<Ipv4> gateway;
  IfIndex link;
  std::optional<Ipv4> preferred_source;
  bool onlink = false;      // RTNH_F_ONLINK
  bool link_scope = false;  // scope link; a route without gateway always gets it
  std::optional<std::uint32_t> mtu;
  std::uint32_t table = 254;  // main
};

// An address of either family, as it is configured. IPv4 has none of the flags.
struct IpAddress {
  IfIndex link;
  IpPrefix ip;
  bool no_dad = false;      // IFA_F_NODAD
  bool optimistic = false;  // IFA_F_OPTIMISTIC; the kernel wants the sysctl optimistic_dad for it
  // Only of what is read: not usable yet; taken by somebody else.
  bool tentative = false, dad_failed = false;
};

// A unicast route of either family with one next hop. What is read of a multipath route is one of
// these for each of its next hops.
struct IpRoute {
  IpPrefix destination;           // host bits don't count
  std::optional<IpAddr> gateway;  // of the destination's family
  IfIndex link;
  // IPv6 routes have priority 1024 when none is given. A table that is unset is main (254).
  std::optional<std::uint32_t> mtu, advmss, priority, table;
  // RT_SCOPE_*. Unset: link (253) without a gateway, else universe (0). IPv6 has universe only.
  std::optional<std::uint8_t> scope;
  bool onlink = false;  // RTNH_F_ONLINK
  // Only of what is added: also where there are others with its destination, priority and table.
  // An IPv4 route goes before them; IPv6 ones with gateways become the next hops of one.
  bool beside = false;
};

// A default route of the tables main or default, of either family, by all the links it leads out
// of: one, or a multipath route's several.
struct DefaultRoute {
  bool ipv6 = false;
  std::uint32_t table = 254;
  std::vector<IfIndex> links;
  std::uint32_t nexthop = 0;  // id of its nexthop object; 0: none
};

// The kernel's answer to "how would a packet to X leave": RTM_GETROUTE.
struct RouteLookup {
  IfIndex link;
  std::optional<Ipv4> gateway;  // unset: on-link
  Ipv4 source;
  bool local = false;  // RTN_LOCAL
};

// NUD_* of linux/neighbour.h
struct Neighbour {
  IfIndex link;
  Ipv4 ip;
  MacAddr mac;  // zero while incomplete
  std::uint16_t state = 0;
  bool usable() const;  // REACHABLE, STALE, DELAY, PROBE, PERMANENT, NOARP with an address
};

class Rtnl {
 public:
  static Result<Rtnl> open();
  static Result<Rtnl> open_in(const os::NetNs& netns);
  Rtnl(Rtnl&&) noexcept;
  Rtnl& operator=(Rtnl&&) noexcept;
  ~Rtnl();

  Result<std::vector<Link>> links();
  Result<Link> link(std::string_view name);  // Code::kNotFound when there is none
  Result<Link> link(IfIndex index);
  Status change_link(IfIndex index, const LinkChange& change);                   // one RTM_SETLINK
  Status delete_altnames(IfIndex index, const std::vector<std::string>& names);  // gone: success
  // The root qdisc and ingress or clsact, as they were configured: the kernel's defaults come back.
  Status reset_qdiscs(IfIndex index);  // none: success
  // One RTM_NEWLINK, and one request more to put `other` up (the kernel can't do that in the
  // first).
  Status add_veth(const VethEnd& one, const VethEnd& other);
  Status add_bridge(std::string_view name, std::optional<MacAddr> mac);
  Status delete_link(IfIndex index);  // gone already: success
  Status set_bridge_port(IfIndex port, const BridgePort& flags);
  Status add_fdb(IfIndex port, const MacAddr& mac);  // static, master; moves it from another port
  Status delete_fdb(IfIndex port, const MacAddr& mac);  // gone: success
  // All that is set in `wish`, in one RTM_SETLINK. Not atomic: the kernel calls the driver once an
  // attribute, in its own order (MAC, VLAN, rates, spoof check, link state, RSS query, trust, node
  // GUID, port GUID), stops at the first that is refused and keeps those before. One of the two
  // rates alone: the other becomes 0. Nothing is set: success.
  Status set_vf_attributes(IfIndex pf, std::uint16_t vf, const VfAttributes& wish);
  // The administrative MAC of a PF's VF (IFLA_VF_MAC).
  Status set_vf_mac(IfIndex pf, std::uint32_t vf, const MacAddr& mac);
  // What is set on a PF's VFs, by their index. One message of the kernel holds at most 64 KiB of
  // it, about 250 VFs: those beyond are missing.
  Result<VfAttributesByIndex> vf_attributes(IfIndex pf);

  Result<std::vector<Address>> addresses(IfIndex link);  // IPv4; {0}: of all links
  Status add_address(const Address& address);            // exists: success
  Status delete_address(const Address& address);         // gone: success
  Status replace_route(const Route& route);
  Status delete_route(const Route& route);  // gone: success
  // IPv4, unicast, with one next hop; others (multipath, via an IPv6 address) are left out.
  Result<std::vector<Route>> routes(std::uint32_t table = 254);
  Result<RouteLookup> lookup_route(Ipv4 destination);
  Result<std::vector<DefaultRoute>> default_routes();  // IPv4 and IPv6

  // Both families; {0}: of all links. Routes of all tables; those that IpRoute can't express are
  // left out.
  Result<std::vector<IpAddress>> ip_addresses(IfIndex link);
  Result<std::vector<IpRoute>> ip_routes(IfIndex link);
  // Adds all of them, addresses first, by one send. The kernel tries each, also behind one that
  // fails; the first failure is told. Exists already: success. A route (without `beside`) whose
  // destination, priority and table another one has, by another link or gateway: Code::kExists,
  // which names them all. A gateway that the link doesn't reach: Code::kPrecondition.
  Status configure(const std::vector<IpAddress>& addresses, const std::vector<IpRoute>& routes);

  Result<std::vector<Neighbour>> neighbours(IfIndex link);  // IPv4
  Status replace_neighbour(
      const Neighbour& neighbour);  // NUD_PERMANENT unless its state says otherwise
  // Asks the kernel to resolve it (NTF_USE); the outcome comes as an event.
  Status probe_neighbour(IfIndex link, Ipv4 ip);
  // One ARP announcement (RFC 5227 section 3) of an address that the link has, sent by the kernel
  // at once, and lost where there is no carrier. An address in the network of another one that the
  // link had before is not announced so: the kernel takes that one for the sender.
  Status announce(IfIndex link, Ipv4 own);

 private:
  struct Impl;
  explicit Rtnl(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Changes as they happen. fd() is readable when there is something; overrun() says that events were
// lost and that everything must be read again.
struct LinkEvent {
  Link link;
  bool deleted = false;
};
struct NeighbourEvent {
  Neighbour neighbour;
  bool deleted = false;
};
struct RouteEvent {};  // something in the FIB changed
struct AddressEvent {
  Address address;
  bool deleted = false;
};

struct MonitorHandlers {
  std::function<void(const LinkEvent&)> link;
  std::function<void(const NeighbourEvent&)> neighbour;
  std::function<void(const RouteEvent&)> route;
  std::function<void(const AddressEvent&)> address;
  std::function<void()> overrun;
};

class Monitor {
 public:
  // Subscribes to the groups whose handler is set.
  static Result<Monitor> open(MonitorHandlers handlers);
  static Result<Monitor> open_in(const os::NetNs& netns, MonitorHandlers handlers);
  Monitor(Monitor&&) noexcept;
  Monitor& operator=(Monitor&&) noexcept;
  ~Monitor();
  int fd() const;
  Status dispatch();  // handles all that waits; never blocks

 private:
  struct Impl;
  explicit Monitor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::netlink
