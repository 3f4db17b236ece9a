// SPDX-License-Identifier: Apache-2.0
// The pod's own side: loopback, addresses, routes.
//
// Contract: all addresses and routes of an interface are one batch of requests. IPv6 addresses are
// optimistic (RFC 4429), so that nobody waits for DAD before they can be used; a duplicate shows in
// CHECK.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/os/netns.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/journal/record.h"

namespace sluice::cni {

// The namespace that the attachment was made in, if it can be entered by a path; none is no proof
// that the pod is dead, which pod_life() looks for. A path may be used again,
// and inode numbers are after a reboot. `given`: where the runtime says it is, or empty.
std::optional<os::NetNs> living_namespace(const Record& record, const std::string& given);

// What an attachment has to say in its pod, beside its own link's addresses.
struct PodRules {
  // On its own link: where the engine is its router, or in our own dialect an IPAM says which one
  // is. Else the link does what the pod's kernel does by default, as with other plugins.
  bool refuse_advertisements = false;
  // A route that another interface has already is added beside that one's, as other plugins add
  // theirs; in our own dialect it is refused.
  bool routes_beside = false;
};
PodRules pod_rules(Dialect dialect, const Record& record);

// Calls `bring`, which makes a link in the pod or moves one there. One that is up takes the first
// advertisement that it hears, before anything can be set on it: so where they are refused, they
// are for what comes into the pod meanwhile. What was the pod's default is so again afterwards,
// unless the process is killed.
Status bring_link_in(const os::NetNs& pod, const PodRules& rules,
                     const std::function<Status()>& bring);

// Code::kExists (code 4 to the runtime) when the name, or an altname, is taken.
Status check_name_is_free(const os::NetNs& pod, const std::string& interface);

// lo up; the result's addresses and routes on `interface`. A route without a gateway of its own
// goes by the family's first gateway, where its scope isn't link. One that another interface has
// already, without routes_beside: Code::kExists, by the destination's and that interface's name.
Status configure_pod(const os::NetNs& pod, const std::string& interface, const CniResult& addresses,
                     const PodRules& rules);

// CHECK: which of the addresses and routes are missing, lo or link down, DAD failed.
Result<std::vector<std::string>> check_pod(const os::NetNs& pod, const std::string& interface,
                                           const CniResult& addresses);

}  // namespace sluice::cni
