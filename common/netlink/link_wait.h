// SPDX-License-Identifier: Apache-2.0
// Waiting until a link is as it should be: it has carrier, it came back from a namespace.
//
// Contract: driven by the kernel's events, which are subscribed to before the first look, so that
// nothing is missed; no sleeping and looking again. `holds` is asked about each state that the
// kernel tells of, also those on the way: a link that is moved and renamed in one request is told
// of under its old name first. A timeout of zero is one look.
// Errors: what takes longer than `timeout` is Code::kTimeout, Retry::kLater.
// Threading: blocks the calling thread; its namespace doesn't change.
#pragma once

#include <functional>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/netns.h"

namespace sluice::netlink {

using LinkPredicate = std::function<bool(const Link&)>;

// One that is there. It isn't, or goes away meanwhile: Code::kNotFound.
Result<Link> wait_link(const os::NetNs& netns, IfIndex index, const LinkPredicate& holds,
                       Duration timeout);
// Any of the namespace, there already or yet to come: a VF under whatever name, by its `parent`.
Result<Link> wait_any_link(const os::NetNs& netns, const LinkPredicate& holds, Duration timeout);

}  // namespace sluice::netlink
