// SPDX-License-Identifier: Apache-2.0
// The pod's own side: loopback, address, routes. The engine answers ARP for the gateway.
#pragma once

#include <optional>
#include <string>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/os/netns.h"
#include "sriov-cni/attach/record.h"

namespace sluice::cni {

// The namespace that the attachment was made in, if it still is there; a path may be used again.
// `given`: where the runtime says it is, or empty.
std::optional<os::NetNs> living_namespace(const Record& record, const std::string& given);

// Code::kExists (code 4 to the runtime) when the name is taken.
Status check_name_is_free(const os::NetNs& pod, const std::string& interface);

// lo up; `ip`/32; the gateway as a link-scope route and as the default one.
Status configure_pod(const os::NetNs& pod, const std::string& interface, Ipv4 ip, Ipv4 gateway);
// An interface beside the first: `ip`/32 and nothing else, the first one's routes are the pod's.
Status configure_beside(const os::NetNs& pod, const std::string& interface, Ipv4 ip);

}  // namespace sluice::cni
