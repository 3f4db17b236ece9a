// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/own_link.h"

#include <algorithm>

#include "sriov-cni/journal/journal.h"

namespace sluice::cni {

using netlink::Link;

OwnMarks marks_of(const Record& record) {
  OwnMarks out;
  out.alias = record.alias();
  out.pod_name = record.key.interface;
  out.pod_mac = record.mac;
  if (record.vf) {
    out.pci = record.vf->pci;
    out.host_name = record.vf->name;
    out.host_mac = record.vf->mac;
    out.by_parent = record.vf->has_parent;
    out.kind = record.vf->link_kind;
    out.index = {record.vf->link_index};
    out.peer = {record.vf->link_peer};
  }
  return out;
}

bool has_any_alias(const Link& link) { return link.alias.starts_with(kAliasPrefix); }

bool is_own(const Link& link, const OwnMarks& marks) {
  if (marks.by_parent || !link.parent.empty()) return link.parent == marks.pci;
  if (has_any_alias(link) && link.alias != marks.alias) return false;
  if (!marks.kind.empty() && link.kind != marks.kind) return false;
  const bool known_alias = has_any_alias(link);
  const bool known_name = link.name == marks.pod_name || link.name == marks.host_name;
  const bool known_mac =
      !link.mac.is_zero() && (link.mac == marks.pod_mac || link.mac == marks.host_mac);
  if (marks.peer.value != 0) {
    if (link.peer != marks.peer) return false;
    return known_alias || known_mac || link.index == marks.index;
  }
  return known_alias || (known_name && known_mac);
}

bool is_left_over(const Link& link, const OwnMarks& marks) {
  if (has_any_alias(link)) return link.alias == marks.alias;
  if (link.master.value != 0) return false;
  if (is_own(link, marks)) return true;
  return link.mac == marks.pod_mac || link.mac == marks.host_mac;
}

bool is_device(const VfHome& home) { return home.has_parent || home.link_kind.empty(); }

bool is_of_another_boot(const Record& record) {
  if (record.boot.empty()) return false;
  const auto boot = boot_id();
  return boot && *boot != record.boot;
}

Result<std::optional<Link>> find_own(netlink::Rtnl& rtnl, const OwnMarks& marks) {
  // A VF's other end stays where it was: what has both in here is the pod's own.
  const auto is_it = [&](const Link& link) {
    return is_own(link, marks) && (marks.peer.value == 0 || link.peer_netns);
  };
  if (!marks.pod_name.empty()) {
    auto link = rtnl.link(marks.pod_name);
    if (link && is_it(*link)) return std::optional<Link>(std::move(*link));
  }
  SLUICE_TRY(const auto links, rtnl.links());
  const auto found = std::find_if(links.begin(), links.end(), is_it);
  if (found == links.end()) return std::optional<Link>{};
  return std::optional<Link>(*found);
}

}  // namespace sluice::cni
