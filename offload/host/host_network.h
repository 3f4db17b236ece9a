// SPDX-License-Identifier: Apache-2.0
// The node's side of the host port: bridge, node0, routes, sysctls, and what the kernel must not
// see.
//
// Contract: create() makes or adopts the netdevs; update() brings addresses, routes, nft tables and
// sysctls to what an Intent says and touches only what differs from the last one. The kernel drops
// part of that behind our back (a netdev that goes down loses its routes and neighbours) and people
// do (`nft flush ruleset`): recheck() looks and repairs, and is to be called now and then. All of
// it stays when the object goes; destroy() removes it, and nothing else. ip_forward is never
// touched. Threading: one thread at a time, always in the node's namespace. Errors: the first thing
// that failed is returned; the rest was tried. Call update() again to retry.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "common/base/addr.h"
#include "common/base/log.h"
#include "common/base/result.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/netns.h"
#include "offload/host/host_links.h"
#include "offload/host/nft_rules.h"
#include "offload/model/intent.h"

namespace sluice::host {

class HostNetwork {
 public:
  static Result<std::unique_ptr<HostNetwork>> create(const HostOptions& options,
                                                     const os::NetNs& representors, Logger log);

  // The netdev that a packet leg for the host port is opened on, in the representors' namespace.
  netlink::IfIndex host_leg() const { return links_.host_leg(); }
  MacAddr node0_mac() const { return node0_mac_of(options_.node); }

  Status update(const model::Intent& intent);
  // Compares links, node0's address, MTU, routes and neighbour, the reserved ports and the presence
  // of the nft tables with what the last update() said, and makes good what is missing; nothing is
  // written where all is well. A few dumps and one run of nft: for every half minute or so.
  // Before the first update(): success. Not looked at: pods' ports, what the tables hold.
  Status recheck();
  // A pod's veth (its end in the node's namespace). Plugged in already: set right, success.
  Status add_pod_port(std::string_view name, const MacAddr& pod_mac);
  Status remove_pod_port(std::string_view name, const MacAddr& pod_mac);  // gone: success
  Status destroy();

 private:
  HostNetwork(const HostOptions& options, HostLinks links, Logger log)
      : options_(options), links_(std::move(links)), log_(std::move(log)) {}
  Status apply_gateway(const model::Intent& intent);
  Status apply_node0(const model::Intent& intent);
  Status apply_routes();
  Status recheck_node0();
  Status recheck_gateway();
  Status recheck_tables();
  Status apply_reserved_ports(const model::Intent& intent);
  Status apply_tables(const model::Intent& intent);

  const HostOptions options_;
  HostLinks links_;
  const Logger log_;
  // What is applied; unset: not known, so read from the kernel or set anew.
  std::optional<MacAddr> gateway_mac_;
  std::optional<Ipv4> gateway_ip_, node0_address_;
  std::optional<std::uint32_t> node0_mtu_;
  std::optional<std::map<Prefix4, netlink::Route>> routes_;
  std::map<Prefix4, netlink::Route> wanted_routes_;  // of the last intent
  std::set<model::PortRange> reserved_;
  std::optional<Claims> claims_;
  std::optional<NodeSteering> steering_;
};

}  // namespace sluice::host
