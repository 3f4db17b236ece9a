// SPDX-License-Identifier: Apache-2.0
// What a ResourceClaim says about our devices. Internal to device-plugin/dra.
//
// Source: resource.k8s.io/v1 ResourceClaimStatus (the same in v1beta1).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sluice::dra {

// As the kubelet names it.
struct ClaimRef {
  std::string space, uid, name;  // space: its namespace
  std::string shown() const;     // "shop/net", cut
  bool operator==(const ClaimRef&) const = default;
};
// Names go into paths and file names. Errors: Code::kInvalid with the field.
Status check(const ClaimRef& claim);

// A device of ours that the scheduler gave to the claim.
struct Allotted {
  std::string pool, device;
  std::vector<std::string> requests;  // without the part of a prioritized list: "net" of "net/vf"
  bool operator==(const Allotted&) const = default;
};

// The devices of our driver, in the order of the claim's results, each once.
// Errors: Code::kPrecondition: another UID, or not allocated (yet). Code::kUnsupported: what it
// asks of us that we don't have (parameters, admin access), by name. Code::kInvalid: no claim.
Result<std::vector<Allotted>> parse_claim(std::string_view json, const ClaimRef& claim);

}  // namespace sluice::dra
