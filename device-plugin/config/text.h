// SPDX-License-Identifier: Apache-2.0
// Words for messages.
#pragma once

#include <string>
#include <string_view>

namespace sluice::config {

// Cut to 200 characters, without control characters: fit for a log line.
std::string bounded(std::string_view text);
std::string cite(std::string_view text);  // the same, in quotes

std::string lower_case(std::string_view text);  // ASCII only
bool equal_fold(std::string_view a, std::string_view b);

}  // namespace sluice::config
