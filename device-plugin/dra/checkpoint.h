// SPDX-License-Identifier: Apache-2.0
// The claims that are prepared, as they are kept over a restart. Internal to device-plugin/dra.
//
// Contract: replaced atomically; a version and a checksum of the content tell a file that is half
// written, damaged or another release's.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "device-plugin/allocate/grant.h"
#include "device-plugin/dra/claim.h"

namespace sluice::dra {

struct PreparedDevice {
  Allotted allotted;
  std::string id;  // the device's; "" for a plain port
  std::vector<allocate::DeviceNode> nodes;
  allocate::Info info;
  bool operator==(const PreparedDevice&) const = default;
};

struct PreparedClaim {
  ClaimRef claim;
  std::vector<PreparedDevice> devices;
  bool operator==(const PreparedClaim&) const = default;
};

using PreparedClaims = std::map<std::string, PreparedClaim>;  // by UID

std::string render(const PreparedClaims& claims);
// Errors: Code::kInvalid: no checkpoint, damaged; Code::kUnsupported: of another version.
Result<PreparedClaims> parse_checkpoint(std::string_view text);

}  // namespace sluice::dra
