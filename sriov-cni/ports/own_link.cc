// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/own_link.h"

#include <algorithm>

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
  }
  return out;
}

bool has_any_alias(const Link& link) { return link.alias.starts_with(kAliasPrefix); }

bool is_own(const Link& link, const OwnMarks& marks) {
  if (!link.parent.empty()) return link.parent == marks.pci;
  if (has_any_alias(link)) return link.alias == marks.alias;
  const bool known_name = link.name == marks.pod_name || link.name == marks.host_name;
  const bool known_mac = link.mac == marks.pod_mac || link.mac == marks.host_mac;
  return known_name && known_mac && !link.mac.is_zero();
}

Result<std::optional<Link>> find_own(netlink::Rtnl& rtnl, const OwnMarks& marks) {
  if (!marks.pod_name.empty()) {
    auto link = rtnl.link(marks.pod_name);
    if (link && is_own(*link, marks)) return std::optional<Link>(std::move(*link));
  }
  SLUICE_TRY(const auto links, rtnl.links());
  const auto found = std::find_if(links.begin(), links.end(),
                                  [&](const Link& link) { return is_own(link, marks); });
  if (found == links.end()) return std::optional<Link>{};
  return std::optional<Link>(*found);
}

}  // namespace sluice::cni
