// SPDX-License-Identifier: Apache-2.0
// A VF's way back, by a record or by its baseline alone. Internal to ports.
#pragma once

#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/netlink/rtnetlink.h"
#include "common/nic/inventory.h"
#include "common/os/netns.h"
#include "sriov-cni/journal/record.h"
#include "sriov-cni/ports/nics.h"
#include "sriov-cni/ports/own_link.h"
#include "sriov-cni/ports/port_times.h"
#include "sriov-cni/ports/vf_restore.h"

namespace sluice::cni {

struct Homeward {
  nic::PciAddress address;
  PortKind kind = PortKind::kNetdev;
  VfHome home;
  OwnMarks marks;
  AttributesBack attributes;
  bool trunk = false;   // was set, so that it goes back too
  bool rebind = false;  // for GUIDs, which the VF takes when its driver starts
  std::vector<std::string> rdma;
  PortTimes* times = nullptr;
};

// Does all that it can; the first Error is returned.
Status bring_back(Nics& nics, const Homeward& homeward, const os::NetNs* pod, Duration patience);

// On the host: everything of the link as it was at home, and clean. A name that is another's:
// Code::kExists, Retry::kLater, and all the rest is done.
Status clean_link(const netlink::Link& link, const VfHome& home);

// The netdev that a function's driver has just made; RDMA and netdev are new ones.
Result<netlink::Link> start_driver_again(const VfHome& home, const nic::Vf& vf);

}  // namespace sluice::cni
