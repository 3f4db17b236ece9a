// SPDX-License-Identifier: Apache-2.0
#include "offload/model/program.h"

#include <compare>

namespace sluice::model {
namespace {

std::strong_ordering compare_keys(const Rule& a, const Rule& b) {
  if (const auto order = a.stage <=> b.stage; order != 0) return order;
  if (const auto order = a.priority <=> b.priority; order != 0) return order;
  return a.match <=> b.match;
}

}  // namespace

Delta diff(const Program& from, const Program& to) {
  Delta delta;
  auto old_rule = from.rules.begin();
  auto new_rule = to.rules.begin();
  while (old_rule != from.rules.end() || new_rule != to.rules.end()) {
    if (new_rule == to.rules.end()) {
      delta.removed.push_back(*old_rule++);
      continue;
    }
    if (old_rule == from.rules.end()) {
      delta.added.push_back(*new_rule++);
      continue;
    }
    const auto order = compare_keys(*old_rule, *new_rule);
    if (order < 0) {
      delta.removed.push_back(*old_rule++);
    } else if (order > 0) {
      delta.added.push_back(*new_rule++);
    } else {
      if (*old_rule != *new_rule) delta.changed.push_back({*old_rule, *new_rule});
      ++old_rule;
      ++new_rule;
    }
  }
  return delta;
}

}  // namespace sluice::model
