// SPDX-License-Identifier: Apache-2.0
// What is told of a call besides its result: one structured line, and its part of the statistics.
//
// Contract: one of each for every call but VERSION, also for one that is refused before its
// configuration is known; then by what is known. The line is information when the call succeeded
// and an error when it failed. Failing to tell fails nothing.
#pragma once

#include <optional>

#include "common/base/log.h"
#include "common/os/unique_fd.h"
#include "sriov-cni/attach/context.h"

namespace sluice::cni {

// Where log lines go: the configuration's file, or stderr where there is none or it can't be had.
class CallLog {
 public:
  explicit CallLog(const NetConfig& config);
  const Logger& logger() const { return logger_; }

 private:
  os::UniqueFd file_;
  Logger logger_;
};

// `verb`: unset when the runtime said none that there is; then nothing is counted.
void report(const Context& context, std::optional<Verb> verb, const Status& outcome);

}  // namespace sluice::cni
