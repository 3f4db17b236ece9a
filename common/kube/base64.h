// SPDX-License-Identifier: Apache-2.0
// Base64 with padding, as a kubeconfig's *-data fields have it. Internal to common/kube.
//
// Source: RFC 4648 section 4.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice::kube {

// White space is skipped. Errors: Code::kInvalid with the place, never with the text (it may be a
// key).
Result<std::string> decode_base64(std::string_view text);

}  // namespace sluice::kube
