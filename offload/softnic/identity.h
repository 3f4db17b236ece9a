// SPDX-License-Identifier: Apache-2.0
// Who the simulated NIC is: names and addresses that are the same in every run on a node.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/nic/inventory.h"

namespace sluice::softnic {

// Vendor 0xfffe is not assigned (PCI-SIG); nothing real can be taken for it.
inline constexpr std::string_view kVendorId = "0xfffe";
inline constexpr std::string_view kPfDeviceId = "0x5a00";
inline constexpr std::string_view kVfDeviceId = "0x5a01";

nic::PciAddress pf_address();
nic::PciAddress vf_address(std::uint16_t index);             // routing id: the PF's + 1 + index
MacAddr vf_mac(std::string_view node, std::uint16_t index);  // unicast, locally administered
std::string switch_id(std::string_view node, std::string_view uplink);  // 16 hex digits
std::string vf_name(std::string_view uplink, std::uint16_t index);      // "<uplink>v<index>"
std::string representor_name(std::uint16_t index);                      // "rep<index>"

}  // namespace sluice::softnic
