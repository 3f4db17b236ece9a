// SPDX-License-Identifier: Apache-2.0
// A Program is all planned rules of a node; a Delta leads from one Program to the next.
#pragma once

#include <string>
#include <vector>

#include "offload/model/rule.h"

namespace sluice::model {

// Rules sorted by (stage, priority, match); no two have the same key.
struct Program {
  std::vector<Rule> rules;
  auto operator<=>(const Program&) const = default;
};

struct Delta {
  struct Change {
    Rule before, after;  // same key, other actions, or the same actions and another owner or why
  };
  std::vector<Rule> removed;
  std::vector<Rule> added;
  std::vector<Change> changed;
  bool empty() const { return removed.empty() && added.empty() && changed.empty(); }
};

Delta diff(const Program& from, const Program& to);

}  // namespace sluice::model
