// SPDX-License-Identifier: Apache-2.0
// The switch: rules in 16 groups, and the way of a burst of packets through them.
//
// Contract: a packet starts in group 0. In a group the matching rule with the lowest priority
// number wins; between rules of equal priority that both match, the one whose mask was used first.
// Jumps go to a later group. No match: the packet is punted to its in-port's representor.
// Threading: rules may be added, removed and read from any thread (one mutex). run() belongs to one
// reader thread, which takes no lock and is never waited for, but by flush().
// Errors: kExists for a second rule with the same group, priority and match; kExhausted when a
// table is full; kNotFound for a rule id that names no rule (any more); kInvalid from pack() and
// compile().
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/result.h"
#include "offload/eswitch/actions.h"
#include "offload/eswitch/key.h"
#include "offload/eswitch/table.h"

namespace sluice::eswitch {

enum class RuleId : std::uint64_t { kNone = 0 };

class Pipeline {
 public:
  struct Options {
    std::uint32_t presize = 0;  // rules that a table that grows large is given room for at once
    std::uint64_t seed = 0;     // of the tables' hash; should be random where packets are hostile
  };

  explicit Pipeline(const Options& options);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  Result<RuleId> insert(std::uint16_t group, std::uint16_t priority, const Match& match,
                        const Actions& actions);
  Status erase(RuleId rule);
  // kInvalid for a rule without the count action.
  Result<Counters> query(RuleId rule, bool reset = false);
  void flush();  // all rules
  std::uint64_t size() const;
  std::string dump() const;  // one line a table, for people

  // Reader. Brackets run() and all use of Packet::encap after it.
  class Burst {
   public:
    explicit Burst(Pipeline& pipeline) : epoch_(pipeline.epoch_) { epoch_.enter(); }
    ~Burst() { epoch_.leave(); }
    Burst(const Burst&) = delete;
    Burst& operator=(const Burst&) = delete;

   private:
    ReaderEpoch& epoch_;
  };
  // At most kBurst packets, parsed.
  void run(Packet* packets, unsigned n) const;

 private:
  // The tables of one group that have rules, by priority. Immutable once published.
  struct GroupView {
    std::vector<const Table*> tables;
  };
  struct TableKey {
    Key mask;
    std::uint32_t where;  // group and priority
    bool operator==(const TableKey&) const = default;
  };
  struct TableKeyHash {
    std::size_t operator()(const TableKey& key) const;
  };
  // Unlinked, kept until the reader has passed.
  struct Retired {
    ReaderEpoch::Stamp stamp;
    std::unique_ptr<const GroupView> view;
    std::unique_ptr<BucketArray> buckets;
  };
  struct RetiredEncap {
    ReaderEpoch::Stamp stamp;
    std::uint32_t index;
  };
  struct Located {
    Table* table = nullptr;
    std::uint32_t slot = 0, index = 0;
  };
  static constexpr std::uint32_t kMaxTables = 4096;
  static constexpr std::uint32_t kMaxEncaps = 1U << 20U;

  static RuleId make_id(std::uint32_t slot, std::uint16_t generation, std::uint32_t index);
  Result<std::uint32_t> table_slot(const TableKey& key);
  std::uint32_t free_slot();
  Located locate(RuleId rule) const;
  void publish(std::uint16_t group);
  void collect();
  void wait_for_reader();
  Result<std::uint32_t> add_encap(const Tunnel& tunnel);
  void drop_encap(const Program& program);
  void execute(Packet& packet, const Table& table, std::uint32_t entry, std::uint32_t& jump) const;

  ReaderEpoch epoch_;
  std::array<std::atomic<const GroupView*>, kGroups> views_{};
  VirtualArray<Encap> encaps_;

  mutable std::mutex mutex_;  // guards everything below
  const std::uint32_t presize_;
  HashSecret secret_;
  std::vector<std::unique_ptr<Table>> tables_;  // by slot; null: free
  std::unordered_map<TableKey, std::uint32_t, TableKeyHash> slots_;
  TableKey last_key_{};  // most rules go where the one before went
  std::uint32_t last_slot_ = kNoEntry;
  std::array<std::unique_ptr<const GroupView>, kGroups> owned_views_;
  std::deque<Retired> retired_;
  std::deque<RetiredEncap> retired_encaps_;
  std::uint32_t next_encap_ = 0;
  std::uint16_t births_ = 0;  // of tables
  std::uint64_t rules_ = 0;
};

}  // namespace sluice::eswitch
