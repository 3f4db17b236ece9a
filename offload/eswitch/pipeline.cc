// SPDX-License-Identifier: Apache-2.0
// The writer's side of the pipeline. The reader's is pipeline_run.cc.
#include "offload/eswitch/pipeline.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>

#include "common/base/hash.h"

namespace sluice::eswitch {
namespace {

constexpr unsigned kSlotShift = 48, kGenerationShift = 32;

}  // namespace

std::size_t Pipeline::TableKeyHash::operator()(const TableKey& key) const {
  std::uint64_t h = key.where;
  for (const std::uint64_t w : key.mask.word) h = hash_combine(h, w);
  return static_cast<std::size_t>(h);
}

Pipeline::Pipeline(const Options& options) : encaps_(kMaxEncaps), presize_(options.presize) {
  std::uint64_t state = options.seed;
  for (auto& word : secret_.word) {
    state = hash_combine(state, 0x9e3779b97f4a7c15ULL);
    word = state | 1U;
  }
}

Pipeline::~Pipeline() = default;

RuleId Pipeline::make_id(std::uint32_t slot, std::uint16_t generation, std::uint32_t index) {
  return static_cast<RuleId>(std::uint64_t{slot + 1} << kSlotShift |
                             std::uint64_t{generation} << kGenerationShift | index);
}

Pipeline::Located Pipeline::locate(RuleId rule) const {
  const auto id = static_cast<std::uint64_t>(rule);
  const auto slot = static_cast<std::uint32_t>(id >> kSlotShift);
  if (slot == 0 || slot > tables_.size() || tables_[slot - 1] == nullptr) return {};
  Table* table = tables_[slot - 1].get();
  const auto index = static_cast<std::uint32_t>(id);
  if (!table->live(index, static_cast<std::uint16_t>(id >> kGenerationShift))) return {};
  return {table, slot - 1, index};
}

std::uint32_t Pipeline::free_slot() {
  const auto it = std::find(tables_.begin(), tables_.end(), nullptr);
  if (it != tables_.end()) return static_cast<std::uint32_t>(it - tables_.begin());
  if (tables_.size() < kMaxTables) {
    tables_.push_back(nullptr);
    return static_cast<std::uint32_t>(tables_.size() - 1);
  }
  // Masks that are no longer used make room. Empty tables are in no view; let the reader leave.
  wait_for_reader();
  std::erase_if(slots_, [this](const auto& entry) {
    if (tables_[entry.second]->size() != 0) return false;
    tables_[entry.second].reset();
    return true;
  });
  last_slot_ = kNoEntry;
  const auto freed = std::find(tables_.begin(), tables_.end(), nullptr);
  return freed == tables_.end() ? kNoEntry : static_cast<std::uint32_t>(freed - tables_.begin());
}

Result<std::uint32_t> Pipeline::table_slot(const TableKey& key) {
  if (last_slot_ != kNoEntry && key == last_key_) return last_slot_;
  auto it = slots_.find(key);
  if (it == slots_.end()) {
    const std::uint32_t slot = free_slot();
    if (slot == kNoEntry) {
      return fail(Code::kExhausted, "rules with " + std::to_string(kMaxTables) +
                                        " different masks and priorities: no room for another");
    }
    tables_[slot] =
        std::make_unique<Table>(key.mask, static_cast<std::uint16_t>(key.where >> 16U),
                                static_cast<std::uint16_t>(key.where), presize_, secret_, births_);
    births_ = static_cast<std::uint16_t>(births_ + 257U);
    it = slots_.emplace(key, slot).first;
  }
  last_key_ = key;
  last_slot_ = it->second;
  return it->second;
}

void Pipeline::publish(std::uint16_t group) {
  auto view = std::make_unique<GroupView>();
  for (const auto& table : tables_) {
    if (table != nullptr && table->group() == group && table->size() != 0) {
      view->tables.push_back(table.get());
    }
  }
  std::stable_sort(view->tables.begin(), view->tables.end(),
                   [](auto* a, auto* b) { return a->priority() < b->priority(); });
  views_[group].store(view->tables.empty() ? nullptr : view.get(), std::memory_order_release);
  std::unique_ptr<const GroupView> next = std::move(view);
  std::swap(owned_views_[group], next);
  if (next != nullptr) retired_.push_back({epoch_.stamp(), std::move(next), nullptr});
}

void Pipeline::collect() {
  while (!retired_.empty() && epoch_.passed(retired_.front().stamp)) retired_.pop_front();
}

void Pipeline::wait_for_reader() {
  const auto stamp = epoch_.stamp();
  while (!epoch_.passed(stamp)) std::this_thread::sleep_for(std::chrono::microseconds(5));
}

Result<std::uint32_t> Pipeline::add_encap(const Tunnel& tunnel) {
  std::uint32_t index = 0;
  if (!retired_encaps_.empty() && epoch_.passed(retired_encaps_.front().stamp)) {
    index = retired_encaps_.front().index;
    retired_encaps_.pop_front();
  } else if (next_encap_ < encaps_.capacity()) {
    index = next_encap_++;
  } else {
    return fail(Code::kExhausted, "no room for another encapsulation");
  }
  encaps_[index] = make_encap(tunnel);
  return index;
}

void Pipeline::drop_encap(const Program& program) {
  if ((program.flags & Program::kEncap) == 0) return;
  retired_encaps_.push_back({epoch_.stamp(), program.encap});
}

Result<RuleId> Pipeline::insert(std::uint16_t group, std::uint16_t priority, const Match& match,
                                const Actions& actions) try {
  if (group >= kGroups) {
    return fail(Code::kInvalid, "group " + std::to_string(group) + ": groups are 0 to " +
                                    std::to_string(kGroups - 1));
  }
  auto packed = pack(match);
  if (!packed) return fail(std::move(packed).error());
  auto program = compile(actions, group);
  if (!program) return fail(std::move(program).error());

  const std::lock_guard lock(mutex_);
  if (!retired_.empty()) collect();
  const TableKey key{packed->mask, std::uint32_t{group} << 16U | priority};
  auto slot = table_slot(key);
  if (!slot) return fail(std::move(slot).error());
  if (actions.encap) {
    auto encap = add_encap(*actions.encap);
    if (!encap) return fail(std::move(encap).error());
    program->encap = *encap;
  }
  Table& table = *tables_[*slot];
  std::uint32_t index = 0;
  std::unique_ptr<BucketArray> replaced;
  const auto done = table.insert(packed->value, *program, epoch_, index, replaced);
  if (replaced != nullptr) retired_.push_back({epoch_.stamp(), nullptr, std::move(replaced)});
  if (done != Table::Insert::kDone) {
    drop_encap(*program);
    if (done == Table::Insert::kExists) {
      return fail(Code::kExists, "a rule with this group, priority and match is there already");
    }
    return fail(Code::kExhausted, "the table of this group, priority and mask is full");
  }
  ++rules_;
  if (table.size() == 1) publish(group);
  return make_id(*slot, table.generation(index), index);
} catch (const std::bad_alloc&) {
  return fail(Code::kExhausted, "out of memory for the rule");
}

Status Pipeline::erase(RuleId rule) try {
  const std::lock_guard lock(mutex_);
  if (!retired_.empty()) collect();
  const Located at = locate(rule);
  if (at.table == nullptr) return fail(Code::kNotFound, "no such rule");
  const Program program = at.table->program(at.index);
  if (!at.table->erase(at.index, epoch_))
    return fail(Code::kInternal, "a rule was not in its table");
  drop_encap(program);
  --rules_;
  if (at.table->size() == 0) publish(at.table->group());
  return {};
} catch (const std::bad_alloc&) {
  return fail(Code::kExhausted, "out of memory while removing a rule");
}

Result<Counters> Pipeline::query(RuleId rule, bool reset) try {
  const std::lock_guard lock(mutex_);
  const Located at = locate(rule);
  if (at.table == nullptr) return fail(Code::kNotFound, "no such rule");
  if ((at.table->program(at.index).flags & Program::kCount) == 0) {
    return fail(Code::kInvalid, "the rule has no count action");
  }
  return at.table->counters(at.index, reset);
} catch (const std::bad_alloc&) {
  return fail(Code::kExhausted, "out of memory for a counter's reset");
}

void Pipeline::flush() {
  const std::lock_guard lock(mutex_);
  for (auto& view : views_) view.store(nullptr, std::memory_order_release);
  wait_for_reader();
  for (auto& view : owned_views_) view.reset();
  tables_.clear();
  slots_.clear();
  retired_.clear();
  retired_encaps_.clear();
  next_encap_ = 0;
  rules_ = 0;
  last_slot_ = kNoEntry;
}

std::uint64_t Pipeline::size() const {
  const std::lock_guard lock(mutex_);
  return rules_;
}

std::string Pipeline::dump() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (std::uint16_t group = 0; group < kGroups; ++group) {
    if (owned_views_[group] == nullptr) continue;
    for (const Table* table : owned_views_[group]->tables) {
      out += "group " + std::to_string(group) + " priority " + std::to_string(table->priority()) +
             " rules " + std::to_string(table->size()) + " bytes " +
             std::to_string(table->bytes()) + "\n";
    }
  }
  return out;
}

}  // namespace sluice::eswitch
