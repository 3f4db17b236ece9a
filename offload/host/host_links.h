// SPDX-License-Identifier: Apache-2.0
// The netdevs of the node's side: the bridge, its leg to the eswitch, node0, and the pods' ports.
//
// Contract: open() makes what is missing and sets right what is there. The leg is the only way
// between any two ports of the bridge: all others are isolated, locked and neither learn nor flood.
// Errors: Code::kPrecondition where a foreign netdev has one of the names.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "common/base/addr.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/netns.h"

namespace sluice::host {

struct HostOptions {
  std::string uplink;
  std::string node;  // MACs are derived from this name
  std::string bridge = "sluice0";
  std::string bridge_leg = "sluice-leg";  // a port of the bridge; its peer is `host_leg`
  std::string host_leg = "host";          // in the representors' namespace
  std::string node0 = "node0";
  std::string node0_port = "node0p";  // a port of the bridge; node0's peer
};

class HostLinks {
 public:
  static Result<HostLinks> open(const HostOptions& options, const os::NetNs& representors);

  netlink::IfIndex host_leg() const { return host_leg_; }  // in the representors' namespace
  netlink::IfIndex bridge_leg() const { return bridge_leg_; }
  netlink::IfIndex node0() const { return node0_; }
  netlink::Rtnl& rtnl() { return rtnl_; }
  // All ports of the bridge by name.
  Result<std::set<std::string>> ports();
  // An existing veth becomes a pod's port: only `pod_mac` may send from it.
  Status add_port(const std::string& name, const MacAddr& pod_mac);
  Status remove_port(const std::string& name);  // gone, or no port of ours: success
  Status set_node0_mtu(std::uint32_t mtu);
  // Puts up what is down, and the leg back into the bridge. Code::kNotFound: one of them is gone;
  // only open() makes it again. True: there was something to do.
  Result<bool> set_right();
  Status remove_all();

 private:
  HostLinks(const HostOptions& options, netlink::Rtnl here, netlink::Rtnl there)
      : options_(options), rtnl_(std::move(here)), representors_(std::move(there)) {}
  Status ensure_bridge();
  Status ensure_leg(const os::NetNs& representors, std::uint32_t mtu);
  Status join_bridge();
  Status ensure_node0();
  Status isolate(netlink::IfIndex port, const MacAddr& mac);
  Result<bool> is_pair(netlink::Rtnl& one_end, const std::string& one, netlink::Rtnl& other_end,
                       const std::string& other);
  Status delete_by_name(netlink::Rtnl& rtnl, const std::string& name);

  HostOptions options_;
  netlink::Rtnl rtnl_, representors_;
  netlink::IfIndex bridge_, bridge_leg_, host_leg_, node0_, node0_port_;
};

MacAddr node0_mac_of(std::string_view node);

}  // namespace sluice::host
