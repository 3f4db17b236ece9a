// SPDX-License-Identifier: Apache-2.0
// The flows of connections in the NIC: both directions or neither.
//
// Contract: handles are kept here and not in the entries, because they end with the NIC's process.
// A refusal is remembered in the driver's own words; that connection waits longer after each, and
// all wait a moment, so that a full NIC isn't asked once a packet.
// Threading: one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "offload/model/flow_backend.h"
#include "offload/slowpath/connection_store.h"
#include "offload/slowpath/counters.h"

namespace sluice::slowpath {

// Where a direction's packets come from, and what the forward stage must be told about them.
struct Exit {
  Origin from = Origin::kLocal;
  std::uint32_t next_hop = 0;  // NextHop::id where it leaves by the wire
  bool as_local = false;  // came from outside and goes into a tunnel, as only local packets may
  bool operator==(const Exit&) const = default;
};
using Exits = std::array<Exit, 2>;  // by Direction

class Promotion {
 public:
  static constexpr Duration kHoldAll = std::chrono::milliseconds(50);
  static constexpr Duration kFirstBackoff = std::chrono::seconds(1);
  static constexpr int kMaxDoublings = 6;  // about a minute

  Promotion(model::FlowSink& sink, const Clock& clock, Counters& counters, std::size_t max,
            Logger log)
      : sink_(sink), clock_(clock), counters_(counters), max_(max), log_(std::move(log)) {}

  bool promoted(Slot slot) const { return slot < flows_.size() && flows_[slot].handles[0] != 0; }
  std::size_t count() const { return promoted_.size(); }
  // Whether promote() would ask the NIC now.
  bool may_promote(Slot slot) const;
  // False when the NIC refused. Requires: may_promote(slot).
  bool promote(Slot slot, const Connection& connection, const Exits& exits,
               const std::string& service);
  // Takes the flows out; what they counted is added to the connection, and if it is more than at
  // the last moved(), the connection was seen now. Nothing when there are none.
  void demote(Slot slot, Connection& connection);
  // The connection ends; also forgets what was refused.
  void forget(Slot slot, Connection& connection);

  const Exits& exits(Slot slot) const { return flows_[slot].exits; }
  // What the flows of a promoted connection have counted, by Direction.
  std::array<model::FlowStats, 2> read(Slot slot) const;
  // Whether a packet passed in hardware since the last call.
  bool moved(Slot slot);
  // Up to `limit` promoted connections, the next ones each time, all of them in turn.
  std::vector<Slot> next_batch(std::size_t limit);
  std::string refusal(Slot slot) const;  // "" when there was none

 private:
  struct Flows {
    std::array<model::FlowHandle, 2> handles{};
    Exits exits{};
    std::uint64_t seen = 0;      // packets of both directions at the last moved()
    std::uint32_t position = 0;  // in promoted_
  };
  struct Refusal {
    std::string words;
    TimePoint retry_at{};
    int count = 0;
  };
  void note_refusal(Slot slot, const Connection& connection, const Error& error);

  model::FlowSink& sink_;
  const Clock& clock_;
  Counters& counters_;
  std::size_t max_;
  Logger log_;
  std::vector<Flows> flows_;  // by slot
  std::vector<Slot> promoted_;
  std::size_t cursor_ = 0;
  std::unordered_map<Slot, Refusal> refusals_;
  TimePoint held_until_{};
};

// The packets of one direction, whole or not, that came from where they must come from.
model::Match connection_match(const Connection& connection, Direction direction, Origin from);

// The rule of one direction, as ARCHITECTURE.md says for the connection stage.
model::Rule connection_rule(const Connection& connection, Direction direction, const Exit& exit,
                            const std::string& service);

}  // namespace sluice::slowpath
