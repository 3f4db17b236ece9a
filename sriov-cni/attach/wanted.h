// SPDX-License-Identifier: Apache-2.0
// Which interfaces an ADD is to make: from the configuration's device, or from what the device
// plugin says that the pod has.
//
// Contract: the configuration's deviceID: one VF. Else the pod's devices (select_own), each an
// interface: the first of the network's resource is CNI_IFNAME, the others net1, net2... in pool
// and index order; a claim's plain port is a veth. Where the network names a resource of which the
// pod has none, CNI_IFNAME is a veth and all of its devices are net1, net2... None: one veth. What
// can be no interface (bound to vfio, no VF, an SF) is left for the container.
// Errors: Retry::kLater while it isn't known whose a listed device is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "sriov-cni/attach/selection.h"
#include "sriov-cni/config/environment.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/journal/journal.h"

namespace sluice::cni {

inline constexpr std::size_t kMaxPorts = 64;  // interfaces of one pod

// Whether the network has veths for pods without a VF: a veth is plugged in by the engine, and a
// configuration of another plugin asks for a VF and never gets anything else.
bool gives_veths(const NetConfig& config);

struct Wanted {
  std::string interface;
  std::optional<nic::PciAddress> vf;  // unset: a veth
  std::uint64_t given = 0;            // as in Record
  std::string given_by;
  std::optional<std::string> claim;
};

// At least one, CNI_IFNAME's first. Nothing is changed.
Result<std::vector<Wanted>> wanted_ports(const NetConfig& config, const Invocation& call,
                                         const Journal& journal, const std::string& sysfs_root,
                                         const Logger& log);

// The names, for devices that are interfaces all: pure. `resource`: the network's, or empty.
std::vector<Wanted> name_ports(const std::vector<ListedDevice>& devices,
                               const std::string& instance, const std::string& resource,
                               const std::string& first_name);

}  // namespace sluice::cni
