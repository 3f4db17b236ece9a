// SPDX-License-Identifier: Apache-2.0
// What all parts of one call work with.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "common/base/log.h"
#include "sriov-cni/attach/engine_client.h"
#include "sriov-cni/attach/step_times.h"
#include "sriov-cni/config/attachment_key.h"
#include "sriov-cni/config/environment.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/journal/record.h"
#include "sriov-cni/ports/nics.h"

namespace sluice::cni {

// What a call is about, for the line that tells of it.
struct Subject {
  std::string network_reference;
  std::string devices;  // of each interface its VF's address or "veth", with ',' between them
  std::string ip;       // the first address of the first interface that has one

  void add(const Record& record);
};

// By when an ADD or DEL is over, so that no runtime (60 s, some) ends it within its own undoing.
inline constexpr Duration kCallEnds = std::chrono::seconds(55);
// What of it an ADD keeps back: a delegate's DEL and a VF that has to be waited for.
inline constexpr Duration kUndoingTime = std::chrono::seconds(20);
// Whatever comes last is tried all the same.
inline constexpr Duration kLeastTime = std::chrono::seconds(1);

struct Context {
  NetConfig config;
  Invocation call;
  Logger log;
  StepTimes times;
  Nics nics = {};
  std::uint64_t reclaimed = 0;  // by GC and repair, for the statistics
  Subject subject = {};
  EngineTime engine_time = {};
  Duration ends = Duration::max();  // of what the call does now, after its begin

  // `wanted`, or what is left of the call's time.
  Duration at_most(Duration wanted) const {
    return std::min(wanted, std::max(kLeastTime, ends - times.total()));
  }
  // For an EngineClient.
  EngineTime& time_for_engine() {
    engine_time.left = at_most(engine_time.left);
    return engine_time;
  }
  AttachmentKey key() const { return {call.container_id, call.interface}; }
};

}  // namespace sluice::cni
