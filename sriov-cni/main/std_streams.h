// SPDX-License-Identifier: Apache-2.0
// stdin and stdout of a call.
//
// Errors: who no longer reads stdout has gone, and its DEL will come: writing can't fail.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::cni {

// Up to its end, or to more than kMaxConfigBytes, which parse_config() refuses by name. With
// `patience`, what came until nothing more did for so long: whoever calls need not close it.
Result<std::string> read_stdin(std::optional<Duration> patience);
void write_all(int fd, std::string_view text);

}  // namespace sluice::cni
