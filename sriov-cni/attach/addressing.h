// SPDX-License-Identifier: Apache-2.0
// How an attachment asks for its addresses, and the MAC that follows from them.
#pragma once

#include <optional>
#include <string>

#include "common/base/addr.h"
#include "common/base/clock.h"
#include "sriov-cni/attach/context.h"
#include "sriov-cni/attach/engine_client.h"
#include "sriov-cni/ipam/ipam.h"
#include "sriov-cni/journal/record.h"
#include "sriov-cni/ports/vf.h"

namespace sluice::cni {

// A plugin's ADD may have to wait for a server; all of a call must be over before the runtime's own
// deadline, which is 60 s for some.
inline constexpr Duration kIpamAddDeadline = std::chrono::seconds(40);
inline constexpr Duration kIpamDeadline = std::chrono::seconds(15);

// `facts`: unset for networks without an engine. `vf`: null for a veth.
IpamSource ipam_source(const Context& context, const NodeFacts* facts, const FoundVf* vf);
// `netns`: as the runtime says it now, may be empty.
IpamOwner ipam_owner(const Context& context, const Record& record, const std::string& netns);

// Locally administered, and unique as long as the address is.
MacAddr mac_of(Ipv4 ip);

}  // namespace sluice::cni
