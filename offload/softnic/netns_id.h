// SPDX-License-Identifier: Apache-2.0
// The number by which one network namespace names another one (a veth's IFLA_LINK_NETNSID).
// Source: RTM_GETNSID, include/uapi/linux/net_namespace.h.
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/result.h"
#include "common/os/netns.h"

namespace sluice::softnic {

// As seen from the calling thread's namespace. Nothing: it has no number here yet, so no link of
// this namespace has its peer there.
Result<std::optional<std::int32_t>> netns_id(const os::NetNs& other);

}  // namespace sluice::softnic
