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

// At most, of one call of a plugin. An ADD waits for a server as long as the call's time lets it.
inline constexpr Duration kIpamAddDeadline = std::chrono::seconds(40);
inline constexpr Duration kIpamDeadline = std::chrono::seconds(15);

// Whether IPAM is asked when the port is in the pod and up, and not before: a plugin may ask a
// server through the interface, as dhcp does. A port behind the engine reaches nobody before the
// engine knows its address, which its MAC is made of, too: there, as with the built-in sources,
// what can fail without having touched anything comes first.
bool port_comes_first(const Record& record);

// `facts`: unset for networks without an engine. `vf`: null for a veth.
IpamSource ipam_source(const Context& context, const NodeFacts* facts, const FoundVf* vf);
// `netns`: as the runtime says it now. Where it or CNI_ARGS isn't said (another pod's call, GC,
// repair), those of ADD.
IpamOwner ipam_owner(const Context& context, const Record& record, const std::string& netns);

// Locally administered, and unique as long as the address is.
MacAddr mac_of(Ipv4 ip);

}  // namespace sluice::cni
