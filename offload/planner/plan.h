// SPDX-License-Identifier: Apache-2.0
// Intent -> Program: which rules make the node's network what it shall be (tables:
// ARCHITECTURE.md).
//
// Contract: plan() is a pure function; equal intents, whatever the order of their vectors, give
// equal programs. Planner gives the same programs step by step, computing only what changed.
// Where two objects ask for one rule (same stage, priority and match), one rule stays: the smallest
// by Rule's order. Without a node of its own in the intent the program is empty.
// Threading: plan() is free of state; a Planner belongs to one thread at a time.
#pragma once

#include <memory>

#include "offload/model/intent.h"
#include "offload/model/program.h"

namespace sluice::planner {

model::Program plan(const model::Intent& intent);

class Planner {
 public:
  Planner();
  ~Planner();
  Planner(Planner&&) noexcept;
  Planner& operator=(Planner&&) noexcept;

  // What leads from the program of the intent before (at first: the empty one) to that of this one.
  model::Delta update(const model::Intent& intent);
  // The program of the last intent; equal to plan(intent).
  model::Program program() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::planner
