// SPDX-License-Identifier: Apache-2.0
// The reader's side of the pipeline.
#include "offload/eswitch/pipeline.h"
#include "offload/eswitch/rewrite_inline.h"

namespace sluice::eswitch {
namespace {

// The packets of a burst that wait for each group.
struct Cohorts {
  std::uint8_t members[kGroups][kBurst];
  unsigned count[kGroups] = {};
  void add(std::uint32_t group, std::uint8_t packet) { members[group][count[group]++] = packet; }
};

}  // namespace

inline void Pipeline::execute(Packet& p, const Table& table, std::uint32_t entry,
                              std::uint32_t& jump) const {
  const Program& a = *table.program_at(entry);
  if ((a.flags & Program::kCount) != 0) table.count(entry, p.wire_length);
  if ((a.flags & (Program::kRewrites | Program::kDecap | Program::kMeta)) != 0) {
    if (!inlined::rewrite(p, a)) return;
  }
  if ((a.flags & Program::kEncap) != 0) p.encap = &encaps_[a.encap];
  switch (a.fate) {
    case Fate::kJump:
      jump = a.target;
      break;
    case Fate::kOutput:
      p.verdict = Verdict::kOutput;
      p.out_port = a.target;
      break;
    case Fate::kDrop:
      p.verdict = Verdict::kDrop;
      break;
    case Fate::kPunt:
      p.out_port = a.target == kInPort ? p.in_port : a.target;
      break;
  }
}

void Pipeline::run(Packet* packets, unsigned n) const {
  Cohorts cohorts;
  for (unsigned i = 0; i < n; ++i) {
    Packet& p = packets[i];
    p.verdict = Verdict::kPunt;
    p.out_port = p.in_port;
    p.ttl_expired = false;
    p.encap = nullptr;
    p.wire_length = p.length;
    cohorts.add(0, static_cast<std::uint8_t>(i));
  }
  for (unsigned group = 0; group < kGroups; ++group) {
    unsigned left = cohorts.count[group];
    if (left == 0) continue;
    const GroupView* view = views_[group].load(std::memory_order_acquire);
    if (view == nullptr) continue;  // no match: the verdict is punt already
    std::uint8_t* order = cohorts.members[group];
    for (const Table* table : view->tables) {
      std::uint32_t found[kBurst];
      table->lookup(packets, order, left, found);
      unsigned kept = 0;
      for (unsigned i = 0; i < left; ++i) {
        if (found[i] == kNoEntry) {
          order[kept++] = order[i];
          continue;
        }
        std::uint32_t jump = 0;
        execute(packets[order[i]], *table, found[i], jump);
        if (jump != 0) cohorts.add(jump, order[i]);
      }
      left = kept;
      if (left == 0) break;
    }
  }
}

}  // namespace sluice::eswitch
