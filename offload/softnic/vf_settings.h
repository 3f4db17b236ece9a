// SPDX-License-Identifier: Apache-2.0
// What the simulated PF keeps of a VF, and the text that it is kept as.
//
// Contract: stored and answered, not enforced, but for the MAC: the software eswitch takes what
// planned rules say. Defaults are those of a fresh VF of a real driver.
// Source of the limits: IEEE 802.1Q; linux/if_link.h (IFLA_VF_*).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/netlink/vf_attributes.h"

namespace sluice::softnic {

struct VfSettings {
  MacAddr mac;  // administrative; zero: none
  std::uint16_t vlan = 0;
  std::uint8_t qos = 0;
  std::uint16_t vlan_protocol = 0x8100;
  bool spoof_check = true;
  bool trust = false;
  bool query_rss = false;
  netlink::VfLinkState link_state = netlink::VfLinkState::kAuto;
  std::uint32_t min_rate_mbps = 0, max_rate_mbps = 0;
  bool operator==(const VfSettings&) const = default;
};

// With all that is set in `change`. Code::kInvalid for a value that no VF can have.
Result<VfSettings> changed(const VfSettings& settings, const netlink::VfAttributes& change);

// For a netdev's alias (IFALIASZ: 256 bytes). What is missing or can't be read is at its default.
std::string to_text(const VfSettings& settings);
VfSettings settings_from(std::string_view text);

}  // namespace sluice::softnic
