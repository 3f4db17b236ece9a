// SPDX-License-Identifier: Apache-2.0
// Slices as JSON of the API's versions: v1 and v1beta2 alike, v1beta1 with its "basic" around a
// device's attributes. Internal to device-plugin/dra.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "device-plugin/dra/slices.h"

namespace sluice::dra {

// Which of the versions that the server lists (/apis/resource.k8s.io) is best for us.
// Errors: none that we know: Code::kUnsupported.
Result<std::string> best_version(std::string_view api_group);

// `resource_version`: "" for a new one.
std::string render(const Slice& slice, const std::string& version,
                   const std::string& resource_version);
// What we don't write ourselves is not read: fields that others added stay theirs.
// Errors: Code::kInvalid, with the field.
Result<StoredSlice> parse_slice(std::string_view json);

Result<std::string> parse_uid(std::string_view object);  // metadata.uid

}  // namespace sluice::dra
