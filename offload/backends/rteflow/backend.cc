// SPDX-License-Identifier: Apache-2.0
#include "offload/backends/rteflow/backend.h"

#include <rte_errno.h>
#include <rte_flow.h>

#include <map>
#include <mutex>

#include "offload/backends/rteflow/dpdk_error.h"

namespace sluice::rteflow {
namespace {

using model::Rule;

struct Key {
  model::Stage stage;
  std::uint16_t priority;
  model::Match match;
  auto operator<=>(const Key&) const = default;
};

Key key_of(const Rule& rule) { return Key{rule.stage, rule.priority, rule.match}; }

struct Planned {
  Rule rule;
  rte_flow* flow = nullptr;  // nullptr: refused
  unsigned parity = 0;
  bool counts = false;
  std::string reason;
};

// One slot of the slow path's flows. A handle is generation and slot, so that a handle of a removed
// flow never names a later one.
struct Installed {
  rte_flow* flow = nullptr;
  std::uint32_t generation = 1;
  std::uint32_t next_free = 0;
  bool counts = false;
};

constexpr std::uint32_t kNoSlot = 0xffffffff;

model::FlowHandle handle_of(std::uint32_t slot, std::uint32_t generation) {
  return static_cast<model::FlowHandle>(generation) << 32U | slot;
}

}  // namespace

struct Backend::State {
  mutable std::mutex mutex;
  EthPorts ports;
  model::Capabilities capabilities;
  BackendOptions options;
  Logger log;
  Translation translation;
  std::map<Key, Planned> planned;
  std::vector<Installed> installed;
  std::uint32_t free_slot = kNoSlot;

  Result<rte_flow*> create(const Rule& rule, unsigned parity);
  void destroy(rte_flow* flow, const Rule* rule);
  Result<model::FlowStats> count(rte_flow* flow);
  void probe();
  bool accepts(const Rule& rule);
  void put(const Rule& rule, std::vector<model::RuleState>& refused);
  void replace(const Rule& rule, std::vector<model::RuleState>& refused);
  Installed* find(model::FlowHandle handle);
};

Result<rte_flow*> Backend::State::create(const Rule& rule, unsigned parity) {
  SLUICE_CHECK_OK(translation.translate(rule, ports, options.vxlan_port, parity));
  rte_flow_error error{};
  rte_flow* flow = ::rte_flow_create(ports.proxy, &translation.attr(), translation.items(),
                                     translation.actions(), &error);
  if (flow == nullptr) return fail(flow_error(error, rte_errno));
  return flow;
}

void Backend::State::destroy(rte_flow* flow, const Rule* rule) {
  if (flow == nullptr) return;
  rte_flow_error error{};
  if (const int r = ::rte_flow_destroy(ports.proxy, flow, &error); r != 0) {
    log.warn("flow was not destroyed",
             {{"rule", rule == nullptr ? std::string("of a connection") : rule->to_string()},
              {"error", flow_error(error, -r)}});
  }
}

Result<model::FlowStats> Backend::State::count(rte_flow* flow) {
  rte_flow_action_count conf{};
  const rte_flow_action actions[] = {{RTE_FLOW_ACTION_TYPE_COUNT, &conf},
                                     {RTE_FLOW_ACTION_TYPE_END, nullptr}};
  rte_flow_query_count data{};
  rte_flow_error error{};
  if (const int r = ::rte_flow_query(ports.proxy, flow, actions, &data, &error); r != 0) {
    return fail(flow_error(error, -r));
  }
  return model::FlowStats{data.hits_set != 0U ? data.hits : 0,
                          data.bytes_set != 0U ? data.bytes : 0};
}

bool Backend::State::accepts(const Rule& rule) {
  if (!translation.translate(rule, ports, options.vxlan_port, 0)) return false;
  rte_flow_error error{};
  return ::rte_flow_validate(ports.proxy, &translation.attr(), translation.items(),
                             translation.actions(), &error) == 0;
}

// Rules such as the planner and the slow path make, asked of the driver without being installed.
void Backend::State::probe() {
  Rule rule;
  rule.stage = model::Stage::kConnection;
  rule.priority = 10;
  rule.match.proto = model::Proto::kTcp;
  rule.match.ip_dst = Prefix4{Ipv4{0xc0000201}, 32};  // 192.0.2.1, TEST-NET-1
  rule.match.l4_dst = model::Masked<std::uint16_t>{1, 0xffff};
  rule.actions = {model::Count{}, model::Drop{}};
  capabilities.count = accepts(rule);
  rule.actions = {model::SetIpDst{Ipv4{0xc0000202}}, model::SetL4Dst{2},
                  model::Jump{model::Stage::kForward}};
  capabilities.rewrite = accepts(rule);
  rule.actions = {
      model::VxlanEncap{{}, {}, Ipv4{0xc0000201}, Ipv4{0xc0000202}, 1, options.vxlan_port},
      model::Output{model::PortId::uplink()}};
  capabilities.vxlan = accepts(rule);
}

void Backend::State::put(const Rule& rule, std::vector<model::RuleState>& refused) {
  auto [it, fresh] = planned.try_emplace(key_of(rule));
  Planned& entry = it->second;
  if (!fresh) destroy(entry.flow, &rule);
  entry = Planned{rule, nullptr, 0, false, {}};
  auto flow = create(rule, 0);
  if (flow) {
    entry.flow = *flow;
    entry.counts = translation.counts();
    return;
  }
  entry.reason = flow.error().to_string();
  refused.push_back({rule, model::Tier::kRefused, entry.reason, {}});
}

void Backend::State::replace(const Rule& rule, std::vector<model::RuleState>& refused) {
  const auto it = planned.find(key_of(rule));
  if (it == planned.end()) return put(rule, refused);
  Planned& entry = it->second;
  const bool same_actions = entry.rule.actions == rule.actions;
  entry.rule = rule;
  if (same_actions && entry.flow != nullptr) return;  // another owner or another why: words only
  const unsigned parity = entry.flow == nullptr ? 0U : entry.parity ^ 1U;
  auto flow = create(rule, parity);
  destroy(entry.flow, &rule);
  entry.flow = flow ? *flow : nullptr;
  entry.parity = parity;
  entry.counts = flow && translation.counts();
  entry.reason = flow ? std::string() : flow.error().to_string();
  if (!flow) refused.push_back({rule, model::Tier::kRefused, entry.reason, {}});
}

Installed* Backend::State::find(model::FlowHandle handle) {
  const auto slot = static_cast<std::uint32_t>(handle);
  if (slot >= installed.size()) return nullptr;
  Installed& entry = installed[slot];
  return entry.flow != nullptr && entry.generation == handle >> 32U ? &entry : nullptr;
}

Backend::Backend(EthPorts ports, model::Capabilities device, BackendOptions options, Logger log)
    : state_(std::make_unique<State>()) {
  state_->ports = std::move(ports);
  state_->capabilities = std::move(device);
  state_->options = options;
  state_->log = std::move(log);
  state_->probe();
}

Backend::~Backend() {
  const std::lock_guard lock(state_->mutex);
  for (Installed& entry : state_->installed) state_->destroy(entry.flow, nullptr);
  for (auto& [key, entry] : state_->planned) state_->destroy(entry.flow, &entry.rule);
}

model::Capabilities Backend::capabilities() const {
  const std::lock_guard lock(state_->mutex);
  return state_->capabilities;
}

Result<std::vector<model::RuleState>> Backend::apply(const model::Delta& delta) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  std::vector<model::RuleState> refused;
  for (const Rule& rule : delta.added) s.put(rule, refused);
  for (const auto& change : delta.changed) s.replace(change.after, refused);
  for (const Rule& rule : delta.removed) {
    const auto it = s.planned.find(key_of(rule));
    if (it == s.planned.end()) continue;
    s.destroy(it->second.flow, &rule);
    s.planned.erase(it);
  }
  return refused;
}

Result<std::vector<model::RuleState>> Backend::dump() {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  std::vector<model::RuleState> rules;
  rules.reserve(s.planned.size());
  for (const auto& [key, entry] : s.planned) {
    model::RuleState state;
    state.rule = entry.rule;
    state.tier = entry.flow != nullptr ? model::Tier::kHardware : model::Tier::kRefused;
    state.reason = entry.reason;
    if (entry.flow != nullptr && entry.counts) {
      if (auto stats = s.count(entry.flow)) {
        state.stats = *stats;
      } else {
        state.reason = "counter: " + stats.error().to_string();
      }
    }
    rules.push_back(std::move(state));
  }
  return rules;
}

Result<model::FlowHandle> Backend::install(const Rule& rule) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  SLUICE_TRY(rte_flow* const flow, s.create(rule, 0));
  std::uint32_t slot = s.free_slot;
  if (slot == kNoSlot) {
    slot = static_cast<std::uint32_t>(s.installed.size());
    s.installed.emplace_back();
  } else {
    s.free_slot = s.installed[slot].next_free;
  }
  Installed& entry = s.installed[slot];
  entry.flow = flow;
  entry.counts = s.translation.counts();
  return handle_of(slot, entry.generation);
}

Status Backend::remove(model::FlowHandle handle) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  Installed* entry = s.find(handle);
  if (entry == nullptr)
    return fail(Code::kNotFound, "flow handle " + std::to_string(handle) + " is not installed");
  s.destroy(entry->flow, nullptr);
  entry->flow = nullptr;
  if (++entry->generation == 0) entry->generation = 1;  // a handle is never 0
  entry->next_free = s.free_slot;
  s.free_slot = static_cast<std::uint32_t>(handle);
  return {};
}

Result<model::FlowStats> Backend::query(model::FlowHandle handle) {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  const Installed* entry = s.find(handle);
  if (entry == nullptr)
    return fail(Code::kNotFound, "flow handle " + std::to_string(handle) + " is not installed");
  if (!entry->counts) return model::FlowStats{};
  return s.count(entry->flow);
}

}  // namespace sluice::rteflow
