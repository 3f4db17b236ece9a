// SPDX-License-Identifier: Apache-2.0
// What a configuration wants of a VF. Unset: stays as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/addr.h"
#include "common/netlink/vf_attributes.h"

namespace sluice::cni {

struct VlanRange {
  std::uint16_t first = 0, last = 0;  // 1 to 4094, both included
  auto operator<=>(const VlanRange&) const = default;
};

enum class RdmaUse : std::uint8_t {
  kOff,        // the VF's RDMA device stays where it is
  kAuto,       // goes with the VF where the system is in exclusive mode
  kShared,     // the VF must have one, and the system must be in shared mode
  kExclusive,  // the VF must have one, and the system must be in exclusive mode; it goes along
};

struct VfWish {
  // Set on the PF. The MAC is not among them: `mac` below is.
  netlink::VfAttributes attributes;
  std::vector<VlanRange> trunk;       // sorted, apart; empty: no trunk is asked for
  std::optional<std::uint16_t> pkey;  // must be in the partition table of the VF's port
  // Set on the VF itself.
  std::optional<MacAddr> mac;
  std::optional<std::uint32_t> mtu;
  std::optional<bool> promiscuous, all_multicast;
  RdmaUse rdma = RdmaUse::kOff;
  bool user_space_only = false;  // the VF must be bound to a driver without netdevs
};

}  // namespace sluice::cni
