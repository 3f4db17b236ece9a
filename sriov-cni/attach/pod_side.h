// SPDX-License-Identifier: Apache-2.0
// The pod's own side: loopback, address, routes. The engine answers ARP for the gateway.
#pragma once

#include <string>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/os/netns.h"

namespace sluice::cni {

// Code::kExists (code 4 to the runtime) when the name is taken.
Status check_name_is_free(const os::NetNs& pod, const std::string& interface);

// lo up; `ip`/32; the gateway as a link-scope route and as the default one.
Status configure_pod(const os::NetNs& pod, const std::string& interface, Ipv4 ip, Ipv4 gateway);

}  // namespace sluice::cni
