// SPDX-License-Identifier: Apache-2.0
// The rules that a node really has for the benchmark's traffic: the planner's, put in by the
// rteflow backend, and the slow path's exact flows for a thousand promoted connections.
#pragma once

#include <memory>
#include <string>

#include "common/base/result.h"

namespace sluice::bench {

class Planned {
 public:
  // `device`: a net_esw with a host port and one VF, not started yet or started.
  static Result<std::unique_ptr<Planned>> install(const std::string& device);
  virtual ~Planned() = default;  // takes the rules out
};

}  // namespace sluice::bench
