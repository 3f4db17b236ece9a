// SPDX-License-Identifier: Apache-2.0
// "did you mean ...?": the known name that a wrong one was probably meant to be.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace sluice {

// The known name with the fewest edits (insert, delete, replace, swap of neighbours; a letter's
// case costs nothing, an abbreviation neither: "prot" for "protocol"); of equals the first. Nothing
// when more than half of `wrong` (but at least two letters) would have to change, or when it is
// longer than a name can be.
std::optional<std::string_view> nearest_name(std::string_view wrong,
                                             std::span<const std::string_view> known);

}  // namespace sluice
