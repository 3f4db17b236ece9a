// SPDX-License-Identifier: Apache-2.0
// What all parts of one call work with.
#pragma once

#include <cstdint>
#include <utility>

#include "common/base/log.h"
#include "sriov-cni/attach/step_times.h"
#include "sriov-cni/config/attachment_key.h"
#include "sriov-cni/config/environment.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/ports/nics.h"

namespace sluice::cni {

struct Context {
  NetConfig config;
  Invocation call;
  Logger log;
  StepTimes times;
  Nics nics = {};
  std::uint64_t reclaimed = 0;  // by GC and repair, for the statistics

  AttachmentKey key() const { return {call.container_id, call.interface}; }
};

// Of several things that are all tried, the error of the first that failed.
class FirstError {
 public:
  void keep(Status status) {
    if (status_ && !status) status_ = std::move(status);
  }
  bool ok() const { return status_.has_value(); }
  Status take() && { return std::move(status_); }

 private:
  Status status_;
};

}  // namespace sluice::cni
