// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/pools/pool_set.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "device-plugin/pools/assigner.h"

namespace sluice::pools {
namespace {

// One update(): the pools of before, and the snapshot, make those of after.
class Update {
 public:
  Update(const config::Config& config, const Snapshot& snapshot, const std::vector<Pool>& before,
         std::map<std::string, TimePoint>& vanished, TimePoint now)
      : config_(config),
        snapshot_(snapshot),
        before_(before),
        vanished_(vanished),
        now_(now),
        assigner_(config, snapshot.reserved) {}

  std::vector<Pool> run();

 private:
  using PoolIndex = std::optional<std::size_t>;  // into after_

  void make_pools();
  void place(const Candidate& candidate);
  void place_free(const Facts& facts);
  void place_used(const Facts& facts, const Use& use);
  void add(std::size_t pool, Member member, const Facts& facts);
  void keep_vanished();
  void add_vanished(std::size_t pool, Member member);

  const Use* use_of(const std::string& id) const {
    const auto found = snapshot_.uses.find(id);
    return found == snapshot_.uses.end() ? nullptr : &found->second;
  }
  PoolIndex find(const std::string& resource) const {
    const auto found = by_resource_.find(resource);
    return found == by_resource_.end() ? PoolIndex() : PoolIndex(found->second);
  }
  bool configured(PoolIndex pool) const { return pool && *pool < config_.pools.size(); }
  // Where a used device belongs until it is free: the kubelet's word, else where it was.
  PoolIndex home_of(const std::string& id, const Use* use) const;
  std::size_t old_selector(const std::string& id, std::size_t pool) const;
  std::string reason_of(const Member& member, const Pool& pool) const;
  std::string why_gone(const std::string& id) const;

  const config::Config& config_;
  const Snapshot& snapshot_;
  const std::vector<Pool>& before_;
  std::map<std::string, TimePoint>& vanished_;
  TimePoint now_;
  Assigner assigner_;
  std::vector<Pool> after_;  // the configured ones first, in their order
  std::unordered_map<std::string, std::size_t> by_resource_;
  struct Past {
    std::size_t pool;  // into after_
    const Member* member;
  };
  std::unordered_map<std::string, Past> past_;
  std::unordered_set<std::string> listed_;
};

void Update::make_pools() {
  for (const auto& pool : config_.pools) {
    by_resource_.emplace(pool.resource(), after_.size());
    after_.push_back({pool, false, {}});
  }
  for (const auto& pool : before_) {
    const auto [found, gone] = by_resource_.emplace(pool.config.resource(), after_.size());
    if (gone) after_.push_back({pool.config, true, {}});
    for (const auto& member : pool.members) past_[member.device.id] = {found->second, &member};
  }
}

Update::PoolIndex Update::home_of(const std::string& id, const Use* use) const {
  if (use != nullptr && use->front == Use::Front::kDevicePlugin) {
    if (const auto pool = find(use->resource)) return pool;
  }
  const auto past = past_.find(id);
  return past == past_.end() ? PoolIndex() : PoolIndex(past->second.pool);
}

std::size_t Update::old_selector(const std::string& id, std::size_t pool) const {
  const auto past = past_.find(id);
  if (past == past_.end() || past->second.pool != pool) return 0;
  return std::min(past->second.member->selector, after_[pool].config.selectors.size() - 1);
}

std::string Update::why_gone(const std::string& id) const {
  if (snapshot_.inventory) {
    for (const auto& broken : snapshot_.inventory->broken) {
      if (broken.device == id) return "can't be read: " + broken.reason;
    }
  }
  return "gone from the node";
}

// Why the kubelet must not give it out, the most lasting reason first; empty: it may.
std::string Update::reason_of(const Member& member, const Pool& pool) const {
  if (!member.candidate) return why_gone(member.device.id);
  if (member.candidate->driver().empty()) return "no driver is bound";
  if (member.use && member.use->front == Use::Front::kDra) return "held by " + member.use->holder;
  if (member.use && member.use->resource != pool.config.resource()) {
    return "held by " + member.use->holder + " as " + member.use->resource;
  }
  if (member.leaving && member.use) return "leaves the pool when " + member.use->holder + " ends";
  const auto unhealthy = snapshot_.unhealthy.find(member.device.id);
  return unhealthy == snapshot_.unhealthy.end() ? "" : unhealthy->second;
}

void Update::add(std::size_t pool, Member member, const Facts& facts) {
  const auto& candidate = *facts.candidate;
  auto& target = after_[pool];
  member.device.id = candidate.id;
  member.candidate = candidate;
  if (!target.config.exclude_topology) {
    member.device.numa_node = candidate.function->numa_node;
    if (!member.device.numa_node && candidate.pf != nullptr) {
      member.device.numa_node = candidate.pf->numa_node;
    }
  }
  member.device.reason = reason_of(member, target);
  member.device.healthy = member.device.reason.empty();
  target.members.push_back(std::move(member));
}

void Update::place_free(const Facts& facts) {
  // A function without driver stays where it is; nobody else gets it.
  auto home =
      facts.candidate->driver().empty() ? home_of(facts.candidate->id, nullptr) : PoolIndex();
  if (!configured(home)) home.reset();
  const auto choice = assigner_.choose(facts, home);
  if (!choice) return;
  Member member;
  member.selector = choice->selector;
  add(choice->pool, std::move(member), facts);
}

void Update::place_used(const Facts& facts, const Use& use) {
  const auto& id = facts.candidate->id;
  const auto home = home_of(id, &use);
  const auto choice = assigner_.choose(facts, configured(home) ? home : PoolIndex());
  Member member;
  member.use = use;
  if (!home) {
    // Given out before we knew of it: it is listed where it will belong, and can't be had there.
    if (!choice) return;
    member.selector = choice->selector;
    return add(choice->pool, std::move(member), facts);
  }
  const bool stays = choice && choice->pool == *home;
  member.leaving = !stays;
  member.selector = stays ? choice->selector : old_selector(id, *home);
  add(*home, std::move(member), facts);
}

void Update::place(const Candidate& candidate) {
  listed_.insert(candidate.id);
  vanished_.erase(candidate.id);
  const Facts facts = facts_of(candidate);
  const Use* use = use_of(candidate.id);
  return use == nullptr ? place_free(facts) : place_used(facts, *use);
}

void Update::add_vanished(std::size_t pool, Member member) {
  auto& target = after_[pool];
  member.candidate.reset();
  member.leaving = target.draining;
  member.device.healthy = false;
  member.device.reason = why_gone(member.device.id);
  target.members.push_back(std::move(member));
}

// What was there before and isn't any more, in the order of the IDs.
void Update::keep_vanished() {
  std::map<std::string, std::pair<std::size_t, Member>> gone;
  for (const auto& [id, past] : past_) {
    if (!listed_.contains(id)) gone[id] = {past.pool, *past.member};
  }
  for (const auto& [id, use] : snapshot_.uses) {
    if (listed_.contains(id) || use.front != Use::Front::kDevicePlugin) continue;
    const auto pool = find(use.resource);
    if (!pool) continue;
    auto& member = gone[id];
    member.first = *pool;
    member.second.device.id = id;
    member.second.selector = old_selector(id, *pool);
  }
  for (auto& [id, entry] : gone) {
    const Use* use = use_of(id);
    auto& since = vanished_.try_emplace(id, now_).first->second;
    if (use != nullptr) since = now_;
    const bool listed =
        use != nullptr || (!after_[entry.first].draining && now_ - since < kVanishedPatience);
    if (!listed) {
      vanished_.erase(id);
      continue;
    }
    entry.second.use = use == nullptr ? std::nullopt : std::optional<Use>(*use);
    add_vanished(entry.first, std::move(entry.second));
  }
}

std::vector<Pool> Update::run() {
  make_pools();
  if (snapshot_.inventory) {
    for (const auto& candidate : candidates(*snapshot_.inventory)) place(candidate);
  }
  keep_vanished();
  std::erase_if(after_, [](const Pool& pool) { return pool.draining && pool.members.empty(); });
  return std::move(after_);
}

bool same_lists(const Pool& a, const Pool& b) {
  return a.draining == b.draining && a.config == b.config &&
         std::equal(a.members.begin(), a.members.end(), b.members.begin(), b.members.end(),
                    [](const Member& x, const Member& y) { return x.device == y.device; });
}

}  // namespace

const Member* Pool::find(const std::string& id) const {
  for (const auto& member : members) {
    if (member.device.id == id) return &member;
  }
  return nullptr;
}

std::vector<Device> Pool::devices() const {
  std::vector<Device> out;
  out.reserve(members.size());
  for (const auto& member : members) out.push_back(member.device);
  return out;
}

PoolSet::PoolSet(config::Config config) : config_(std::move(config)) {}

void PoolSet::configure(config::Config config) { config_ = std::move(config); }

bool PoolSet::update(Snapshot snapshot, TimePoint now) {
  auto after = Update(config_, snapshot, pools_, vanished_, now).run();
  const bool same =
      std::equal(after.begin(), after.end(), pools_.begin(), pools_.end(), same_lists);
  // Both at once: members point into the snapshot's inventory.
  pools_ = std::move(after);
  snapshot_ = std::move(snapshot);
  return !same;
}

const Pool* PoolSet::find(const std::string& resource) const {
  const auto found = std::find_if(pools_.begin(), pools_.end(), [&](const Pool& pool) {
    return pool.config.resource() == resource;
  });
  return found == pools_.end() ? nullptr : &*found;
}

const Pool* PoolSet::pool_of(const std::string& id) const {
  for (const auto& pool : pools_) {
    if (pool.find(id)) return &pool;
  }
  return nullptr;
}

}  // namespace sluice::pools
