// SPDX-License-Identifier: Apache-2.0
// Traps of single connections whose service's or endpoint's own traps are gone: what their flows
// leave out (FIN, RST, everything while they have none) still comes to the slow path.
//
// Contract: a connection has the guards that were asked for last, or none when the NIC refused one
// or `max` connections have guards already.
// Threading: one thread.
#pragma once

#include <array>
#include <optional>
#include <unordered_map>

#include "common/base/log.h"
#include "offload/model/flow_backend.h"
#include "offload/slowpath/connection_store.h"

namespace sluice::slowpath {

class Guards {
 public:
  // By Direction: where its packets come from, when that direction wants a guard.
  using Wanted = std::array<std::optional<Origin>, 2>;

  Guards(model::FlowSink& sink, std::size_t max, Logger log)
      : sink_(sink), max_(max), log_(std::move(log)) {}

  // False when it can't be guarded.
  bool keep(Slot slot, const Connection& connection, const Wanted& wanted);
  void forget(Slot slot);
  void clear();

 private:
  struct Guard {
    Wanted wanted;
    std::array<model::FlowHandle, 2> handles{};
  };
  void take_out(const Guard& guard);

  model::FlowSink& sink_;
  std::size_t max_;
  Logger log_;
  std::unordered_map<Slot, Guard> guards_;
};

}  // namespace sluice::slowpath
