// SPDX-License-Identifier: Apache-2.0
// Records of version 1: flat, without a checksum, of one engine and one node block.
//
// What they don't say: network, engine socket, state directory, the address block, PF, MTU of the
// pod's interface. Their only attribute of the PF was the administrative MAC, and it was cleared at
// the end. Whether ADD had come to its end isn't in them: they count as attached.
#pragma once

#include <string_view>

#include "common/base/result.h"
#include "sriov-cni/journal/record.h"

namespace sluice::cni {

Result<Record> parse_record_v1(std::string_view object);

}  // namespace sluice::cni
