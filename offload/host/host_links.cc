// SPDX-License-Identifier: Apache-2.0
#include "offload/host/host_links.h"

#include "common/base/derived_mac.h"
#include "common/base/hash.h"
#include "offload/host/nft_rules.h"
#include "offload/host/sysctl.h"
#include "offload/model/intent.h"

namespace sluice::host {
namespace {

MacAddr mac_of(std::string_view what, std::string_view node) {
  return derived_mac(hash_combine(hash_bytes(what), hash_bytes(node)));
}

netlink::LinkChange raised() {
  netlink::LinkChange change;
  change.up = true;
  return change;
}

bool is_missing(const Error& error) { return error.code == Code::kNotFound; }

}  // namespace

MacAddr node0_mac_of(std::string_view node) { return mac_of("host node0", node); }

Result<HostLinks> HostLinks::open(const HostOptions& options, const os::NetNs& representors) {
  SLUICE_CHECK_OK(check_netdev_name("uplink", options.uplink));
  SLUICE_CHECK_OK(check_netdev_name("bridge", options.bridge));
  SLUICE_CHECK_OK(check_netdev_name("bridge_leg", options.bridge_leg));
  SLUICE_CHECK_OK(check_netdev_name("host_leg", options.host_leg));
  SLUICE_CHECK_OK(check_netdev_name("node0", options.node0));
  SLUICE_CHECK_OK(check_netdev_name("node0_port", options.node0_port));
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  SLUICE_TRY(auto there, netlink::Rtnl::open_in(representors));
  SLUICE_TRY(const auto uplink, here.link(options.uplink));
  HostLinks links(options, std::move(here), std::move(there));
  SLUICE_CHECK_OK(links.ensure_bridge());
  SLUICE_CHECK_OK(links.ensure_leg(representors, uplink.mtu));
  SLUICE_CHECK_OK(links.ensure_node0());
  return links;
}

Status HostLinks::ensure_bridge() {
  auto bridge = rtnl_.link(options_.bridge);
  if (!bridge) {
    if (!is_missing(bridge.error())) return fail(std::move(bridge).error());
    SLUICE_CHECK_OK(rtnl_.add_bridge(options_.bridge, mac_of("host bridge", options_.node)));
    bridge = rtnl_.link(options_.bridge);
    if (!bridge) return fail(std::move(bridge).error());
  }
  if (bridge->kind != "bridge") {
    return fail(Code::kPrecondition, "bridge " + options_.bridge + ": exists and is no bridge");
  }
  bridge_ = bridge->index;
  SLUICE_CHECK_OK(disable_ipv6(options_.bridge));
  netlink::LinkChange change = raised();
  change.mac = mac_of("host bridge", options_.node);
  return rtnl_.change_link(bridge_, change);
}

// Both ends are there and are each other's peers. A half of something else is no pair.
Result<bool> HostLinks::is_pair(netlink::Rtnl& one_end, const std::string& one,
                                netlink::Rtnl& other_end, const std::string& other) {
  const auto first = one_end.link(one);
  if (!first && !is_missing(first.error())) return fail(first.error());
  const auto second = other_end.link(other);
  if (!second && !is_missing(second.error())) return fail(second.error());
  for (const auto* end : {&first, &second}) {
    if (*end && (*end)->kind != "veth") {
      return fail(Code::kPrecondition, "netdev " + (*end)->name + ": exists and is no veth");
    }
  }
  if (!first || !second) return false;
  const bool same_netns = &one_end == &other_end;
  return first->peer == second->index && second->peer == first->index &&
         first->peer_netns.has_value() != same_netns;
}

Status HostLinks::delete_by_name(netlink::Rtnl& rtnl, const std::string& name) {
  const auto link = rtnl.link(name);
  if (!link) return is_missing(link.error()) ? Status{} : fail(link.error());
  return rtnl.delete_link(link->index);
}

Status HostLinks::ensure_leg(const os::NetNs& representors, std::uint32_t mtu) {
  SLUICE_TRY(const bool is_there,
             is_pair(rtnl_, options_.bridge_leg, representors_, options_.host_leg));
  if (!is_there) {
    SLUICE_CHECK_OK(delete_by_name(rtnl_, options_.bridge_leg));
    SLUICE_CHECK_OK(delete_by_name(representors_, options_.host_leg));
    const netlink::VethEnd port{options_.bridge_leg, std::nullopt, mtu, std::nullopt, false};
    const netlink::VethEnd leg{options_.host_leg, std::nullopt, mtu, representors.fd(), false};
    SLUICE_CHECK_OK(rtnl_.add_veth(port, leg));
  }
  SLUICE_TRY(const auto leg, representors_.link(options_.host_leg));
  host_leg_ = leg.index;
  netlink::LinkChange change = raised();
  change.arp = false;
  change.mtu = mtu;
  SLUICE_CHECK_OK(representors.run_in([&] { return disable_ipv6(options_.host_leg); }));
  SLUICE_CHECK_OK(representors_.change_link(host_leg_, change));

  SLUICE_TRY(const auto port, rtnl_.link(options_.bridge_leg));
  bridge_leg_ = port.index;
  SLUICE_CHECK_OK(disable_ipv6(options_.bridge_leg));
  change = {};
  change.mtu = mtu;
  SLUICE_CHECK_OK(rtnl_.change_link(bridge_leg_, change));
  return join_bridge();
}

Status HostLinks::join_bridge() {
  netlink::LinkChange enslave;
  enslave.master = bridge_;
  SLUICE_CHECK_OK(rtnl_.change_link(bridge_leg_, enslave));
  netlink::BridgePort flags;
  flags.learning = false;
  flags.isolated = false;
  flags.locked = false;
  SLUICE_CHECK_OK(rtnl_.set_bridge_port(bridge_leg_, flags));
  return rtnl_.change_link(bridge_leg_, raised());
}

// The flags come before the port goes up, so that no frame passes without them.
Status HostLinks::isolate(netlink::IfIndex port, const MacAddr& mac) {
  SLUICE_TRY(const auto link, rtnl_.link(port));
  if (link.master != bridge_) {
    netlink::LinkChange enslave;
    enslave.up = false;
    SLUICE_CHECK_OK(rtnl_.change_link(port, enslave));
    enslave = {};
    enslave.master = bridge_;
    SLUICE_CHECK_OK(rtnl_.change_link(port, enslave));
  }
  netlink::BridgePort flags;
  flags.isolated = true;
  flags.locked = true;
  flags.learning = false;
  flags.flood = false;
  flags.multicast_flood = false;
  flags.broadcast_flood = true;  // a broadcast of the engine gets to everybody
  SLUICE_CHECK_OK(rtnl_.set_bridge_port(port, flags));
  SLUICE_CHECK_OK(rtnl_.add_fdb(port, mac));
  SLUICE_CHECK_OK(disable_ipv6(link.name));
  return rtnl_.change_link(port, raised());
}

Status HostLinks::ensure_node0() {
  const MacAddr mac = node0_mac_of(options_.node);
  SLUICE_TRY(const bool is_there, is_pair(rtnl_, options_.node0, rtnl_, options_.node0_port));
  if (!is_there) {
    SLUICE_CHECK_OK(delete_by_name(rtnl_, options_.node0));
    SLUICE_CHECK_OK(delete_by_name(rtnl_, options_.node0_port));
    const netlink::VethEnd node0{options_.node0, mac, std::nullopt, std::nullopt, false};
    const netlink::VethEnd port{options_.node0_port, std::nullopt, std::nullopt, std::nullopt,
                                false};
    SLUICE_CHECK_OK(rtnl_.add_veth(node0, port));
  }
  SLUICE_TRY(const auto node0, rtnl_.link(options_.node0));
  SLUICE_TRY(const auto port, rtnl_.link(options_.node0_port));
  node0_ = node0.index;
  node0_port_ = port.index;
  SLUICE_CHECK_OK(isolate(node0_port_, mac));
  SLUICE_CHECK_OK(disable_ipv6(options_.node0));
  const std::string conf = "ipv4/conf/" + options_.node0 + "/";
  // Connections of the node to 127.0.0.1:<NodePort> leave by it, until they are translated.
  SLUICE_CHECK_OK(write_sysctl(conf + "route_localnet", "1"));
  // Other nodes' own addresses come in by the overlay while the kernel's route to them is the
  // uplink.
  SLUICE_CHECK_OK(write_sysctl(conf + "rp_filter", "2"));
  netlink::LinkChange change = raised();
  change.mac = mac;
  return rtnl_.change_link(node0_, change);
}

Status HostLinks::set_node0_mtu(std::uint32_t mtu) {
  netlink::LinkChange change;
  change.mtu = mtu;
  SLUICE_CHECK_OK(rtnl_.change_link(node0_, change));
  return rtnl_.change_link(node0_port_, change);
}

Result<bool> HostLinks::set_right() {
  bool changed = false;
  for (const auto port : {bridge_leg_, node0_port_}) {
    SLUICE_TRY(const auto link, rtnl_.link(port));
    if (link.master == bridge_) continue;
    changed = true;
    if (port == node0_port_) {
      SLUICE_CHECK_OK(isolate(port, node0_mac_of(options_.node)));
    } else {
      SLUICE_CHECK_OK(join_bridge());
    }
  }
  for (const auto index : {bridge_, bridge_leg_, node0_port_, node0_}) {
    SLUICE_TRY(const auto link, rtnl_.link(index));
    if (link.up) continue;
    changed = true;
    SLUICE_CHECK_OK(rtnl_.change_link(index, raised()));
  }
  SLUICE_TRY(const auto leg, representors_.link(host_leg_));
  if (leg.up) return changed;
  netlink::LinkChange change = raised();
  change.arp = false;
  SLUICE_CHECK_OK(representors_.change_link(host_leg_, change));
  return true;
}

Result<std::set<std::string>> HostLinks::ports() {
  SLUICE_TRY(const auto links, rtnl_.links());
  std::set<std::string> names;
  for (const auto& link : links) {
    if (link.master == bridge_ && check_netdev_name("port", link.name)) names.insert(link.name);
  }
  return names;
}

Status HostLinks::add_port(const std::string& name, const MacAddr& pod_mac) {
  SLUICE_TRY(const auto link, rtnl_.link(name));
  if (link.kind != "veth" || link.index == bridge_leg_ || link.index == node0_ ||
      link.index == node0_port_) {
    return fail(Code::kInvalid, "port " + name + ": only a pod's veth can become a port");
  }
  if (link.master.value != 0 && link.master != bridge_) {
    return fail(Code::kPrecondition, "port " + name + ": belongs to another bridge or bond");
  }
  return isolate(link.index, pod_mac);
}

Status HostLinks::remove_port(const std::string& name) {
  const auto link = rtnl_.link(name);
  if (!link) return is_missing(link.error()) ? Status{} : fail(link.error());
  if (link->master != bridge_ || link->index == bridge_leg_ || link->index == node0_port_)
    return {};
  netlink::LinkChange change;
  change.up = false;
  SLUICE_CHECK_OK(rtnl_.change_link(link->index, change));
  change = {};
  change.master = netlink::IfIndex{};
  return rtnl_.change_link(link->index, change);  // its fdb entries go with it
}

Status HostLinks::remove_all() {
  SLUICE_CHECK_OK(rtnl_.delete_link(node0_));
  SLUICE_CHECK_OK(rtnl_.delete_link(bridge_leg_));
  return rtnl_.delete_link(bridge_);
}

}  // namespace sluice::host
