// SPDX-License-Identifier: Apache-2.0
// Runs other programs (posix_spawn, never fork alone) with a deadline and bounded output.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::os {

struct Exit {
  int status = 0;        // exit status; 128 + signal when it died of one
  std::string out, err;  // at most 1 MiB each, the rest is cut
};

// argv[0] is looked up in PATH. Not found, or killed at the deadline: an Error. Non-zero exit: a
// value.
Result<Exit> run_program(const std::vector<std::string>& argv, std::string_view input,
                         Duration deadline = std::chrono::seconds(10));
// With `environment` ("NAME=value") instead of ours. An argv[0] without a '/' is still looked up in
// our PATH.
Result<Exit> run_program(const std::vector<std::string>& argv, std::string_view input,
                         Duration deadline, const std::vector<std::string>& environment);
// As the first, and a non-zero exit is an Error of domain kTool with its stderr as message.
Status run_checked(const std::vector<std::string>& argv, std::string_view input = {},
                   Duration deadline = std::chrono::seconds(10));

}  // namespace sluice::os
