// SPDX-License-Identifier: Apache-2.0
// A record's fields as JSON, without version and checksum. Internal to journal.
//
// Errors: Code::kInvalid names the field. Exceptions of nlohmann::json end here.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "sriov-cni/journal/record.h"

namespace sluice::cni {

// An object on one line. The same fields give the same text, also after it was read and printed.
std::string print_fields(const Record& record);
Result<Record> parse_fields(std::string_view object);

// A link's name, as the kernel takes it (dev_valid_name()); it becomes part of paths below /proc.
Status check_interface_name(std::string_view field, const std::string& name);
// Code::kInvalid, with no more of the text than people want to read.
tl::unexpected<Error> bad_field(std::string_view field, std::string_view value,
                                std::string_view allowed);

}  // namespace sluice::cni
