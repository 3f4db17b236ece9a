// SPDX-License-Identifier: Apache-2.0
// Which of a namespace's links is the VF of an attachment. Internal to ports.
//
// Contract: where the kernel names a link's PCI function, that decides. Else the alias does, and
// for a link without one (a move that failed half-way) its name and MAC together.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/netlink/rtnetlink.h"
#include "sriov-cni/journal/record.h"

namespace sluice::cni {

struct OwnMarks {
  std::string pci, alias;
  std::string pod_name, host_name;  // of the interface; empty: not known
  MacAddr pod_mac, host_mac;        // zero: not known
};

OwnMarks marks_of(const Record& record);
bool has_any_alias(const netlink::Link& link);  // of an attachment, whosever
bool is_own(const netlink::Link& link, const OwnMarks& marks);

// By its name in the pod, else among all. nullopt: it isn't there.
Result<std::optional<netlink::Link>> find_own(netlink::Rtnl& rtnl, const OwnMarks& marks);

}  // namespace sluice::cni
