// SPDX-License-Identifier: Apache-2.0
// Which attributes the PF is told on the way back. Pure, internal to ports.
//
// Contract: all that was asked for, and nothing else but the administrative MAC, which a trusted VF
// can have changed by itself. An attribute of the wish that the baseline doesn't know is one that
// the driver doesn't tell: it goes back to what drivers start with, by a request of its own, in
// which a driver that doesn't have it at all is right to refuse. Rates go together, and so do VLAN,
// priority and protocol: the kernel takes each group as one.
#pragma once

#include <optional>
#include <vector>

#include "common/base/addr.h"
#include "common/netlink/vf_attributes.h"
#include "sriov-cni/journal/record.h"

namespace sluice::cni {

struct AttributesBack {
  netlink::VfAttributes known;                 // in one request, before the VF moves
  std::vector<netlink::VfAttributes> guessed;  // a request each; unsupported: fine
  std::optional<MacAddr> mac_afterwards;       // administrative, when the VF has its own again
};

// Whether ADD sets an administrative MAC.
bool asks_mac(const Record& record);
AttributesBack attributes_back(const Record& record);
// The fields of `wish` as they were at `home`. No MAC.
AttributesBack attributes_back(const netlink::VfAttributes& wish,
                               const netlink::VfAttributes& home);
// The groups of attributes apart, for a driver that refuses one of them.
std::vector<netlink::VfAttributes> one_by_one(const netlink::VfAttributes& all);
// All fields of `wanted` are known to be so.
bool is_so(const netlink::VfAttributes& wanted, const netlink::VfAttributes& now);
// The fields of `wanted` that `now` knows otherwise.
netlink::VfAttributes differing(const netlink::VfAttributes& wanted,
                                const netlink::VfAttributes& now);

}  // namespace sluice::cni
