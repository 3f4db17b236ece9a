// SPDX-License-Identifier: Apache-2.0
// A request's bytes in, an answer's bytes out: pure. Internal to this folder.
// Source: RFC 9112 sections 2 and 3.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "device-plugin/metrics/http.h"

namespace sluice::metrics {

// The answer, as soon as the request is complete or can't become one; nullopt: more is needed.
std::optional<std::string> answer_to(std::string_view request, const HttpContent& content);

}  // namespace sluice::metrics
