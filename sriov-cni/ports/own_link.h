// SPDX-License-Identifier: Apache-2.0
// Which of a namespace's links is the VF of an attachment. Internal to ports.
//
// Contract: where the kernel names links' PCI functions, that decides alone: alias, name and MAC
// are the pod's to change and to give to other links. Else the alias does, and for a link without
// one (a move that failed half-way) its name and MAC together; where the software VF's kind and
// other end were noted, both must be the same, and any one mark does.
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
  bool by_parent = false;           // the kernel names this link's PCI function
  std::string kind;                 // of software; empty: not known
  netlink::IfIndex index, peer;     // {0}: not known
};

OwnMarks marks_of(const Record& record);
bool has_any_alias(const netlink::Link& link);  // of an attachment, whosever
bool is_own(const netlink::Link& link, const OwnMarks& marks);

// A link on the host, under its VF's lock, whose record says that a pod has it: nobody else's by
// now. Another attachment's has that one's alias, the host's own use has a master.
bool is_left_over(const netlink::Link& link, const OwnMarks& marks);

// Its netdev outlives the namespace that it is in.
bool is_device(const VfHome& home);
// Namespaces, attributes and aliases of then are no more.
bool is_of_another_boot(const Record& record);

// In a pod's namespace: by its name there, else among all. nullopt: it isn't there.
Result<std::optional<netlink::Link>> find_own(netlink::Rtnl& rtnl, const OwnMarks& marks);

}  // namespace sluice::cni
