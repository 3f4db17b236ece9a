// SPDX-License-Identifier: Apache-2.0
// VLAN trunks of VFs (VGT+): which VLANs a VF may tag its packets with, by the file that vendors'
// drivers have for it, <PF>/sriov/<VF index>/trunk.
//
// Contract: VLANs are 1 to 4094. A driver without that file: Code::kUnsupported.
// Source: the file's two dialects, NVIDIA's ("add 100 105", "rem 100 105"; reads "Allowed 802.1Q
// VLANs: 100-105,200") and Intel's list ("100-105,200"); what is written is NVIDIA's.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "common/os/files.h"

namespace sluice::nic {

struct VlanRange {
  std::uint16_t first = 0, last = 0;  // both belong to it
  auto operator<=>(const VlanRange&) const = default;
};

// Sorted, without overlaps and neighbours. A text without any number: none.
Result<std::vector<VlanRange>> parse_vlan_trunk(std::string_view text);

Result<std::vector<VlanRange>> read_vlan_trunk(const os::Root& sysfs, const PciAddress& pf,
                                               std::uint16_t vf);
// Exactly these from now on: takes away what is too many, then adds what is missing, a range a
// write. Not atomic: what was done before a refusal stays.
Status set_vlan_trunk(const os::Root& sysfs, const PciAddress& pf, std::uint16_t vf,
                      const std::vector<VlanRange>& wanted);

}  // namespace sluice::nic
