// SPDX-License-Identifier: Apache-2.0
#include "offload/host/host_network.h"

#include <linux/neighbour.h>

#include <algorithm>

#include "common/os/process.h"
#include "offload/host/conntrack.h"
#include "offload/host/sysctl.h"

namespace sluice::host {
namespace {

Status run_nft(const std::string& script) { return os::run_checked({"nft", "-f", "-"}, script); }

bool same_route(const netlink::Route& a, const netlink::Route& b) {
  return a.gateway == b.gateway && a.link == b.link && a.preferred_source == b.preferred_source &&
         a.onlink == b.onlink && a.link_scope == b.link_scope;
}

Status check(const model::Intent& intent) {
  if (intent.find_node(intent.self) == nullptr) {
    return fail(Code::kInvalid, "self \"" + intent.self + "\": not one of the intent's nodes");
  }
  if (intent.gateway_ip.is_zero() || intent.gateway_mac.is_zero()) {
    return fail(Code::kInvalid, "gateway_ip and gateway_mac must not be zero");
  }
  if (intent.uplink_mtu <= model::kVxlanOverhead) {
    return fail(Code::kInvalid, "uplink_mtu " + std::to_string(intent.uplink_mtu) +
                                    ": must be more than " + std::to_string(model::kVxlanOverhead));
  }
  return {};
}

// All that node0 reaches through the gateway: pod blocks and cluster addresses.
std::map<Prefix4, netlink::Route> wanted_routes(const model::Intent& intent,
                                                netlink::IfIndex node0) {
  std::map<Prefix4, netlink::Route> routes;
  netlink::Route route;
  route.link = node0;
  route.preferred_source = intent.self_node().node0();
  const auto add = [&](const Prefix4& destination) {
    route.destination = destination;
    routes[destination] = route;
  };
  route.gateway = intent.gateway_ip;
  route.onlink = true;
  for (const auto& node : intent.nodes) add(node.pod_cidr);
  for (const auto& service : intent.services) {
    if (!service.cluster_ip.is_zero()) add({service.cluster_ip, 32});
  }
  route.gateway.reset();
  route.onlink = false;
  route.link_scope = true;
  add({intent.gateway_ip, 32});
  return routes;
}

}  // namespace

Result<std::unique_ptr<HostNetwork>> HostNetwork::create(const HostOptions& options,
                                                         const os::NetNs& representors,
                                                         Logger log) {
  SLUICE_TRY(auto links, HostLinks::open(options, representors));
  SLUICE_TRY(const auto ports, links.ports());
  SLUICE_CHECK_OK(run_nft(bridge_script(ports)));
  return std::unique_ptr<HostNetwork>(new HostNetwork(options, std::move(links), std::move(log)));
}

Status HostNetwork::update(const model::Intent& intent) {
  SLUICE_CHECK_OK(check(intent));
  Status result;
  const auto note = [&result](Status status) {
    if (!status && result) result = std::move(status);
  };
  note(apply_node0(intent));
  note(apply_gateway(intent));
  wanted_routes_ = wanted_routes(intent, links_.node0());
  note(apply_routes());
  note(apply_reserved_ports(intent));
  note(apply_tables(intent));
  return result;
}

Status HostNetwork::apply_node0(const model::Intent& intent) {
  const std::uint32_t mtu = std::uint32_t{intent.uplink_mtu} - model::kVxlanOverhead;
  if (node0_mtu_ != mtu) {
    SLUICE_CHECK_OK(links_.set_node0_mtu(mtu));
    node0_mtu_ = mtu;
  }
  const Ipv4 address = intent.self_node().node0();
  if (node0_address_ == address) return {};
  auto& rtnl = links_.rtnl();
  SLUICE_TRY(const auto present, rtnl.addresses(links_.node0()));
  for (const auto& old : present) {
    if (old.ip != address || old.prefix_length != 32) SLUICE_CHECK_OK(rtnl.delete_address(old));
  }
  SLUICE_CHECK_OK(rtnl.add_address({links_.node0(), address, 32}));
  node0_address_ = address;
  routes_.reset();  // those with the old source went with it
  return {};
}

Status HostNetwork::apply_gateway(const model::Intent& intent) {
  if (gateway_mac_ == intent.gateway_mac && gateway_ip_ == intent.gateway_ip) return {};
  auto& rtnl = links_.rtnl();
  if (gateway_mac_ && gateway_mac_ != intent.gateway_mac) {
    SLUICE_CHECK_OK(rtnl.delete_fdb(links_.bridge_leg(), *gateway_mac_));
  }
  SLUICE_CHECK_OK(rtnl.add_fdb(links_.bridge_leg(), intent.gateway_mac));
  netlink::Neighbour gateway;
  gateway.link = links_.node0();
  gateway.ip = intent.gateway_ip;
  gateway.mac = intent.gateway_mac;
  SLUICE_CHECK_OK(rtnl.replace_neighbour(gateway));
  gateway_mac_ = intent.gateway_mac;
  gateway_ip_ = intent.gateway_ip;
  return {};
}

Status HostNetwork::apply_routes() {
  auto& rtnl = links_.rtnl();
  if (!routes_) {
    routes_.emplace();
    SLUICE_TRY(const auto present, rtnl.routes());
    for (const auto& route : present) {
      if (route.link == links_.node0()) (*routes_)[route.destination] = route;
    }
  }
  const auto ensure = [&](const netlink::Route& route) -> Status {
    const auto have = routes_->find(route.destination);
    if (have != routes_->end() && same_route(have->second, route)) return {};
    SLUICE_CHECK_OK(rtnl.replace_route(route));
    (*routes_)[route.destination] = route;
    return {};
  };
  // The gateway's own route first: the others' next hop hangs on it.
  for (const bool link_scope : {true, false}) {
    for (const auto& [destination, route] : wanted_routes_) {
      if (route.link_scope == link_scope) SLUICE_CHECK_OK(ensure(route));
    }
  }
  for (auto it = routes_->begin(); it != routes_->end();) {
    if (wanted_routes_.contains(it->first)) {
      ++it;
      continue;
    }
    SLUICE_CHECK_OK(rtnl.delete_route(it->second));
    it = routes_->erase(it);
  }
  return {};
}

// A connection of the node's own from a port that is claimed would never be answered.
Status HostNetwork::apply_reserved_ports(const model::Intent& intent) {
  std::set<model::PortRange> wanted;
  if (intent.masquerade.first != 0) wanted.insert(intent.masquerade);
  for (const auto& pod : intent.attachments) {
    for (const auto& port : pod.host_ports) wanted.insert({port.port, port.port});
  }
  if (reserved_ == wanted) return {};
  SLUICE_CHECK_OK(unreserve_ports(reserved_));
  reserved_.clear();
  SLUICE_CHECK_OK(reserve_ports(wanted));
  reserved_ = std::move(wanted);
  return {};
}

Status HostNetwork::apply_tables(const model::Intent& intent) {
  const model::Node& self = intent.self_node();
  const Claims claims{options_.uplink,   self.address,      self.pod_cidr,           intent.vni,
                      intent.vxlan_port, intent.masquerade, claimed_ports_of(intent)};
  const NodeSteering steering{options_.node0,    self.address,          self.node0(),
                              intent.gateway_ip, node_ports_of(intent), host_ports_of(intent)};
  std::string script;
  if (claims_ != claims) script += claims_script(claims);
  if (steering_ != steering) script += steering_script(steering);
  if (script.empty()) return {};
  SLUICE_CHECK_OK(run_nft(script));
  const auto changed =
      changed_udp(steering_ ? steering_->host_ports : HostPorts{}, steering.host_ports);
  claims_ = claims;
  steering_ = steering;
  if (auto forgotten = forget_udp_to(changed); !forgotten) {
    log_.warn("UDP of the node's own may go where a hostPort led before",
              {{"error", forgotten.error()}});
  }
  log_.debug("nft tables replaced", {{"claimed_ports", claims.ports.size()}});
  return {};
}

Status HostNetwork::recheck() {
  if (!node0_address_) return {};
  SLUICE_TRY(const bool raised, links_.set_right());
  if (raised) log_.warn("netdevs of the host side were down or unplugged, set right");
  Status result;
  const auto note = [&result](Status status) {
    if (!status && result) result = std::move(status);
  };
  note(recheck_node0());
  note(recheck_gateway());
  routes_.reset();  // read again
  note(apply_routes());
  note(reserve_ports(reserved_));
  note(recheck_tables());
  return result;
}

Status HostNetwork::recheck_node0() {
  auto& rtnl = links_.rtnl();
  SLUICE_TRY(const auto link, rtnl.link(links_.node0()));
  if (node0_mtu_ && link.mtu != *node0_mtu_) SLUICE_CHECK_OK(links_.set_node0_mtu(*node0_mtu_));
  SLUICE_TRY(const auto addresses, rtnl.addresses(links_.node0()));
  const netlink::Address wanted{links_.node0(), *node0_address_, 32};
  if (std::find(addresses.begin(), addresses.end(), wanted) != addresses.end()) return {};
  log_.warn("node0 has lost its address, added again", {{"ip", wanted.ip.to_string()}});
  return rtnl.add_address(wanted);
}

Status HostNetwork::recheck_gateway() {
  if (!gateway_ip_ || !gateway_mac_) return {};
  auto& rtnl = links_.rtnl();
  // There is no asking for one entry; adding what is there changes nothing.
  SLUICE_CHECK_OK(rtnl.add_fdb(links_.bridge_leg(), *gateway_mac_));
  SLUICE_TRY(const auto neighbours, rtnl.neighbours(links_.node0()));
  const bool is_there = std::any_of(neighbours.begin(), neighbours.end(), [&](const auto& other) {
    return other.ip == *gateway_ip_ && other.mac == *gateway_mac_ &&
           (other.state & NUD_PERMANENT) != 0;
  });
  if (is_there) return {};
  log_.warn("node0 has lost its gateway, set again", {{"ip", gateway_ip_->to_string()}});
  netlink::Neighbour gateway;
  gateway.link = links_.node0();
  gateway.ip = *gateway_ip_;
  gateway.mac = *gateway_mac_;
  return rtnl.replace_neighbour(gateway);
}

Status HostNetwork::recheck_tables() {
  SLUICE_TRY(const auto listed, os::run_program({"nft", "list", "chains"}, {}));
  if (listed.status != 0) {
    return fail(Code::kUnavailable, "nft list chains: " + listed.err.substr(0, 200));
  }
  // A table without chains is missing too: before Linux 6.16 the uplink takes the claims' chain
  // along when it goes.
  const auto missing = [&listed](std::string_view family, std::string_view table) {
    const auto start = "table " + std::string(family) + " " + std::string(table) + " {\n\tchain ";
    return listed.out.find(start) == std::string::npos;
  };
  std::string script;
  if (missing("bridge", kBridgeTable)) {
    SLUICE_TRY(const auto ports, links_.ports());
    script += bridge_script(ports);
  }
  if (claims_ && missing("netdev", kClaimsTable)) script += claims_script(*claims_);
  if (steering_ && missing("ip", kNodeTable)) script += steering_script(*steering_);
  if (script.empty()) return {};
  log_.warn("nft tables were gone, made again");
  return run_nft(script);
}

Status HostNetwork::add_pod_port(std::string_view name, const MacAddr& pod_mac) {
  SLUICE_CHECK_OK(check_netdev_name("port", name));
  if (pod_mac.is_zero() || pod_mac.is_multicast()) {
    return fail(Code::kInvalid,
                "pod_mac " + pod_mac.to_string() + ": must be unicast and not zero");
  }
  // The filter first: nothing gets up to the bridge from a port that works already.
  SLUICE_CHECK_OK(run_nft(add_port_script(name)));
  return links_.add_port(std::string(name), pod_mac);
}

Status HostNetwork::remove_pod_port(std::string_view name, const MacAddr& pod_mac) {
  SLUICE_CHECK_OK(check_netdev_name("port", name));
  if (name == options_.bridge_leg || name == options_.node0_port) {
    return fail(Code::kInvalid, "port " + std::string(name) + ": not a pod's");
  }
  SLUICE_CHECK_OK(links_.remove_port(std::string(name)));
  SLUICE_CHECK_OK(run_nft(remove_port_script(name)));
  log_.debug("pod port removed", {{"port", name}, {"mac", pod_mac.to_string()}});
  return {};
}

Status HostNetwork::destroy() {
  Status result;
  const auto note = [&result](Status status) {
    if (!status && result) result = std::move(status);
  };
  note(run_nft(drop_table_script("netdev", kClaimsTable) + drop_table_script("ip", kNodeTable) +
               drop_table_script("bridge", kBridgeTable)));
  note(unreserve_ports(reserved_));
  reserved_.clear();
  note(links_.remove_all());
  claims_.reset();
  steering_.reset();
  routes_.reset();
  return result;
}

}  // namespace sluice::host
