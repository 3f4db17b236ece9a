// SPDX-License-Identifier: Apache-2.0
// The simulated NIC as sysfs would show it: a pure function from its state to a Tree.
//
// Source: Documentation/ABI/testing/sysfs-bus-pci (sriov_*, physfn, virtfnN) and sysfs-class-net.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/netlink/rtnetlink.h"
#include "common/nic/inventory.h"
#include "offload/softnic/live_tree.h"

namespace sluice::softnic {

struct NicDescription {
  struct Vf {
    std::uint16_t index = 0;
    nic::PciAddress address;
    std::optional<netlink::Link> netdev;       // while it is in the engine's namespace
    std::optional<netlink::Link> representor;  // unset while the pair is gone
  };
  nic::PciAddress pf;
  std::string switch_id;
  std::string uplink_name;
  std::optional<netlink::Link> uplink;  // unset while the netdev is missing
  std::vector<Vf> vfs;
};

Tree describe(const NicDescription& nic);

}  // namespace sluice::softnic
