// SPDX-License-Identifier: Apache-2.0
// One Kubernetes object as JSON -> a value of manifest.h, appended to a Manifest.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "offload/sources/manifest.h"

namespace sluice::sources {

// "Service shop/web", as far as the object can be named at all.
std::string describe(const nlohmann::json& object);

// Checks the object by itself (fields, types, ranges); what concerns several objects is
// check_consistency()'s. The Error does not yet say which object it is about.
Status read_object(const nlohmann::json& object, Manifest& out);

// Duplicates, overlapping pod blocks, addresses used twice, node ports used twice.
Status check_consistency(Manifest& manifest);

}  // namespace sluice::sources
