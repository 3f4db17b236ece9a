// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/guards.h"

#include "offload/slowpath/promotion.h"

namespace sluice::slowpath {
namespace {

constexpr std::uint16_t kPriority = 20;  // behind the connection's own flows

model::Rule guard_rule(const Connection& connection, Direction direction, Origin from) {
  model::Rule rule;
  rule.stage = model::Stage::kConnection;
  rule.priority = kPriority;
  rule.match = connection_match(connection, direction, from);
  rule.actions = {model::Count{}, model::Punt{}};
  rule.owner = "connection/" + std::to_string(connection.id);
  rule.why = "its endpoint or NodePort is in no service any more, so no other rule traps it";
  return rule;
}

}  // namespace

bool Guards::keep(Slot slot, const Connection& connection, const Wanted& wanted) {
  const auto found = guards_.find(slot);
  const bool none = !wanted[0] && !wanted[1];
  if (found == guards_.end() ? none : found->second.wanted == wanted) return true;
  forget(slot);
  if (none) return true;
  if (guards_.size() >= max_) return false;
  Guard guard{wanted, {}};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i]) continue;
    auto installed = sink_.install(guard_rule(connection, static_cast<Direction>(i), *wanted[i]));
    if (!installed) {
      log_.debug("guard refused", {{"connection", connection.id}, {"error", installed.error()}});
      take_out(guard);
      return false;
    }
    guard.handles[i] = *installed;
  }
  guards_.emplace(slot, guard);
  return true;
}

void Guards::take_out(const Guard& guard) {
  for (const model::FlowHandle handle : guard.handles) {
    if (handle == 0) continue;
    if (auto removed = sink_.remove(handle); !removed) {
      log_.warn("guard not removed", {{"error", removed.error()}});
    }
  }
}

void Guards::forget(Slot slot) {
  const auto found = guards_.find(slot);
  if (found == guards_.end()) return;
  take_out(found->second);
  guards_.erase(found);
}

void Guards::clear() {
  for (const auto& [slot, guard] : guards_) take_out(guard);
  guards_.clear();
}

}  // namespace sluice::slowpath
