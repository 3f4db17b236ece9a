// SPDX-License-Identifier: Apache-2.0
// What the engine and the slow path ask of a backend.
//
// Threading: every method may be called from any thread; a backend serialises by itself.
// Errors: an entry that the NIC refuses is an outcome (Tier::kRefused and the driver's own words),
// not a failure of the call; a call fails only when the backend itself is gone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "offload/model/program.h"
#include "offload/model/rule.h"

namespace sluice::model {

enum class Tier : std::uint8_t {
  kHardware,  // in the NIC's eswitch (or in the software NIC, which stands in for it)
  kSoftware,  // handled by the slow path
  kRefused,   // wanted in the NIC, refused by its driver
};
std::string_view to_string(Tier tier);

struct FlowStats {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;  // on the wire of the in-port, without FCS
};

// Names one installed flow until remove(); never reused while it is installed. 0 is none.
using FlowHandle = std::uint64_t;

// Where the slow path puts the exact flows of a connection.
class FlowSink {
 public:
  virtual ~FlowSink() = default;
  // Refused by the NIC: an Error of domain kDpdk with the driver's text.
  virtual Result<FlowHandle> install(const Rule& rule) = 0;
  virtual Status remove(FlowHandle handle) = 0;
  virtual Result<FlowStats> query(FlowHandle handle) = 0;
};

struct RuleState {
  Rule rule;
  Tier tier = Tier::kHardware;
  std::string reason;  // the driver's own words where it refused
  FlowStats stats;
};

struct Capabilities {
  std::string backend;                                 // "rteflow"
  std::string device;                                  // "net_esw0"
  std::uint16_t vfs = 0;                               // representors that exist
  bool vxlan = false, rewrite = false, count = false;  // as probed
};

class FlowBackend : public FlowSink {
 public:
  virtual Capabilities capabilities() const = 0;
  // Brings the planned rules from one Program to the next, make-before-break for changed rules.
  // Returns the refused ones; all others are in place when it returns.
  virtual Result<std::vector<RuleState>> apply(const Delta& delta) = 0;
  // Every planned rule with its counters (not the slow path's own flows).
  virtual Result<std::vector<RuleState>> dump() = 0;
};

}  // namespace sluice::model
