// SPDX-License-Identifier: Apache-2.0
// The veth pairs behind the VFs: finds them, makes the missing ones, says where each end is.
//
// Contract: everything in the representors' namespace is the NIC's own. A netdev of the engine's
// namespace is VF i's if and only if its peer is rep<i> there, whatever it is called.
// Threading: one thread at a time, in the engine's namespace.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/netns.h"
#include "offload/softnic/types.h"
#include "offload/softnic/vf_settings.h"

namespace sluice::softnic {

struct VfPair {
  std::optional<netlink::Link> representor;  // unset: the pair is gone
  std::optional<netlink::Link> netdev;       // unset: gone, or in another namespace
};

struct Links {
  std::optional<netlink::Link> uplink;
  std::vector<VfPair> vfs;  // by index
};

class VfPairs {
 public:
  static Result<VfPairs> open(const Options& options, Logger log);

  const os::NetNs& representors() const { return representors_; }
  Result<Links> scan();
  // A fresh pair: netdev down, representor as set_right() leaves it.
  Status make(std::uint16_t index, const MacAddr& mac, std::uint32_t mtu);
  // Up, without ARP (and, as all that is in its namespace, without IPv6), with this MTU. True: it
  // was not, because make() was interrupted, somebody changed it, or the uplink has another MTU.
  Result<bool> set_right(const netlink::Link& representor, std::uint32_t mtu);
  Status change_netdev(netlink::IfIndex netdev, const netlink::LinkChange& change);

  // The PF's side of the VF is kept with the pair (as the representor's alias), so that it outlives
  // us.
  Status remember(netlink::IfIndex representor, const VfSettings& settings);
  static VfSettings remembered(const netlink::Link& representor);

  // Pairs beyond the wanted number, left by a run with more VFs; those in pods are only logged.
  Status remove_surplus();
  Status remove_all();  // the pairs and the namespace

 private:
  VfPairs(const Options& options, os::NetNs representors, netlink::Rtnl here, netlink::Rtnl there,
          Logger log);

  Options options_;
  os::NetNs representors_;
  netlink::Rtnl here_, there_;
  Logger log_;
};

}  // namespace sluice::softnic
