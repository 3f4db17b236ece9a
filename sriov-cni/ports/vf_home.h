// SPDX-License-Identifier: Apache-2.0
// What a VF is to be given back as: from its baseline. Internal to ports.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "common/base/result.h"
#include "common/netlink/rtnetlink.h"
#include "common/nic/baseline.h"
#include "common/nic/inventory.h"
#include "sriov-cni/ports/vf.h"

namespace sluice::cni {

struct FoundHome {
  VfHome home;
  HomeBy by = HomeBy::kBaseline;
};

// `link`: of a VF with a netdev. A baseline that is there is never changed. Where there is none one
// is taken now and recorded. A VF that still carries an attachment's alias, and whose name, MAC and
// MTU no baseline says: Code::kPrecondition.
Result<FoundHome> find_home(const NicPlace& place, const nic::Pf& pf, const nic::Vf& vf,
                            const std::optional<netlink::Link>& link);

// As the PF says them now; empty where it can't say them.
Result<nic::VfAttributes> attributes_now(const nic::Pf& pf, const nic::Vf& vf,
                                         const std::string& vf_control_socket);

// The baseline that is recorded of this very VF, and of no other generation of it. Code::kNotFound
// when there is none.
Result<nic::Baseline> baseline_of(const NicPlace& place, const nic::Pf& pf, const nic::Vf& vf);
VfHome home_by_baseline(const NicPlace& place, const nic::Baseline& baseline);

// A pod can take its mark off. What is on the host, down and without any use, under a name that no
// VF's baseline has (`names`) and with another MAC than its own, was left by one all the same. Only
// where the kernel names the function.
bool seems_left_over(const netlink::Link& link, const nic::Baseline& baseline,
                     const std::set<std::string>& names);

}  // namespace sluice::cni
