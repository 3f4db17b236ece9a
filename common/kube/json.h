// SPDX-License-Identifier: Apache-2.0
// JSON of somebody else, parsed with a bound on how deep it nests.
//
// Contract: what is parsed here can be written, copied and compared, all of which recurses, without
// running out of stack.
#pragma once

#include <cstddef>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace sluice::kube {

inline constexpr std::size_t kMaxJsonDepth = 100;  // arrays and objects in one another

// Whether a valid text nests deeper than that. Of an invalid one: at least what precedes the fault.
bool nests_too_deep(std::string_view text);

// Discarded (is_discarded()) when it is no JSON or nests too deep.
nlohmann::json parse_json(std::string_view text);

}  // namespace sluice::kube
