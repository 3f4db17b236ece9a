// SPDX-License-Identifier: Apache-2.0
#include "offload/planner/plan.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "offload/planner/facts.h"
#include "offload/planner/stages.h"

namespace sluice::planner {
namespace {

using model::Rule;

bool same_key(const Rule& a, const Rule& b) {
  return std::tie(a.stage, a.priority, a.match) == std::tie(b.stage, b.priority, b.match);
}

struct FactRules {
  const Frame& frame;
  Rules& out;
  void operator()(const PodFact& fact) const {
    ingress_pod(fact, out);
    forward_pod(frame, fact, out);
  }
  void operator()(const ServiceFact& fact) const {
    ingress_service(fact, out);
    trap_service(fact, out);
  }
  void operator()(const NodePortFact& fact) const {
    ingress_node_port(frame, fact, out);
    trap_node_port(frame, fact, out);
  }
  void operator()(const HostPortFact& fact) const {
    ingress_host_port(frame, fact, out);
    trap_host_port(frame, fact, out);
  }
  void operator()(const EndpointFact& fact) const { trap_endpoint(frame, fact, out); }
  void operator()(const NodeBlockFact& fact) const { ingress_node_block(fact, out); }
  void operator()(const RemoteNodeFact& fact) const { forward_remote_node(frame, fact, out); }
  void operator()(const NextHopFact& fact) const { forward_next_hop(frame, fact, out); }
};

void basics(const Frame& frame, Rules& out) {
  ingress_basics(frame, out);
  trap_basics(frame, out);
  forward_basics(frame, out);
}

}  // namespace

model::Program plan(const model::Intent& intent) {
  model::Program program;
  const model::Node* self = intent.find_node(intent.self);
  if (self == nullptr) return program;
  const Frame frame = frame_of(intent, *self);
  basics(frame, program.rules);
  for (const Fact& fact : facts_of(intent)) std::visit(FactRules{frame, program.rules}, fact);
  std::sort(program.rules.begin(), program.rules.end());
  program.rules.erase(std::unique(program.rules.begin(), program.rules.end(), same_key),
                      program.rules.end());
  return program;
}

// All wanted rules, duplicates included, in Rule's order: of those with one key the first counts.
struct Planner::State {
  std::optional<Frame> frame;
  std::vector<Fact> facts;
  std::multiset<Rule> wanted;

  // The rule in force for the key of `rule`, or nullptr.
  const Rule* in_force(const Rule& rule) const;
};

namespace {

struct KeyOrder {
  bool operator()(const Rule& a, const Rule& b) const {
    return std::tie(a.stage, a.priority, a.match) < std::tie(b.stage, b.priority, b.match);
  }
};

// For every key that an update touches: the rule that was in force before it.
using Touched = std::map<Rule, std::optional<Rule>, KeyOrder>;

}  // namespace

const Rule* Planner::State::in_force(const Rule& rule) const {
  // Without actions, owner and why it is the smallest rule of its key.
  const Rule probe{rule.stage, rule.priority, rule.match, {}, {}, {}};
  const auto it = wanted.lower_bound(probe);
  return it != wanted.end() && same_key(*it, rule) ? &*it : nullptr;
}

Planner::Planner() : state_(std::make_unique<State>()) {}
Planner::~Planner() = default;
Planner::Planner(Planner&&) noexcept = default;
Planner& Planner::operator=(Planner&&) noexcept = default;

model::Delta Planner::update(const model::Intent& intent) {
  State& state = *state_;
  std::optional<Frame> frame;
  std::vector<Fact> facts;
  if (const model::Node* self = intent.find_node(intent.self); self != nullptr) {
    frame = frame_of(intent, *self);
    facts = facts_of(intent);
  }

  Rules gone;
  Rules come;
  if (frame == state.frame) {
    std::vector<Fact> old_facts;
    std::vector<Fact> new_facts;
    std::set_difference(state.facts.begin(), state.facts.end(), facts.begin(), facts.end(),
                        std::back_inserter(old_facts));
    std::set_difference(facts.begin(), facts.end(), state.facts.begin(), state.facts.end(),
                        std::back_inserter(new_facts));
    for (const Fact& fact : old_facts) std::visit(FactRules{*frame, gone}, fact);
    for (const Fact& fact : new_facts) std::visit(FactRules{*frame, come}, fact);
  } else {
    gone.assign(state.wanted.begin(), state.wanted.end());
    if (frame) basics(*frame, come);
    for (const Fact& fact : facts) std::visit(FactRules{*frame, come}, fact);
  }

  Touched touched;
  const auto touch = [&](const Rule& rule) {
    if (touched.contains(rule)) return;
    const Rule* before = state.in_force(rule);
    touched.emplace(rule, before == nullptr ? std::nullopt : std::optional<Rule>(*before));
  };
  for (const Rule& rule : gone) touch(rule);
  for (const Rule& rule : come) touch(rule);
  for (const Rule& rule : gone) {
    if (const auto it = state.wanted.find(rule); it != state.wanted.end()) state.wanted.erase(it);
  }
  for (Rule& rule : come) state.wanted.insert(std::move(rule));
  state.frame = std::move(frame);
  state.facts = std::move(facts);

  model::Delta delta;
  for (auto& [key, before] : touched) {
    const Rule* after = state.in_force(key);
    if (before && after == nullptr) delta.removed.push_back(std::move(*before));
    if (!before && after != nullptr) delta.added.push_back(*after);
    if (before && after != nullptr && *before != *after) {
      delta.changed.push_back({std::move(*before), *after});
    }
  }
  return delta;
}

model::Program Planner::program() const {
  model::Program program;
  for (const Rule& rule : state_->wanted) {
    if (program.rules.empty() || !same_key(program.rules.back(), rule)) {
      program.rules.push_back(rule);
    }
  }
  return program;
}

}  // namespace sluice::planner
