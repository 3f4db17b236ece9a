// SPDX-License-Identifier: Apache-2.0
// The rules of one group and priority that match on the same bits: a hash table on those bits.
//
// Contract: a bucket is one cache line of eight 16-bit tags and entry numbers; an entry is one line
// of key words and Program (two lines for more than three words). Entries never move; the buckets
// are replaced by a larger array when they fill up, without stopping the reader.
// Threading: one writer at a time, one reader; the reader takes no locks. What the writer takes out
// is reused only after the reader's burst has ended (ReaderEpoch). All that both touch is either
// atomic, or written before it is published by a release store and not again while it is reachable.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "offload/eswitch/actions.h"
#include "offload/eswitch/packet.h"
#include "offload/eswitch/reader_epoch.h"
#include "offload/eswitch/virtual_array.h"

namespace sluice::eswitch {

struct Counters {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

// Keys come from whoever sends packets: without the secret, keys that collide can't be chosen.
struct HashSecret {
  std::uint64_t word[kKeyWords + 1];
};

inline constexpr unsigned kBurst = 32;
inline constexpr std::uint32_t kNoEntry = 0xffffffff;

struct alignas(64) Bucket {
  static constexpr unsigned kSlots = 8;
  std::uint64_t tags[2];  // four 16-bit tags each, 0: free
  std::uint32_t entry[kSlots];
  std::uint32_t overflow;  // how many entries were put further on because this one was full
  std::uint32_t pad[3];
};
static_assert(sizeof(Bucket) == 64);

struct BucketArray {
  explicit BucketArray(std::size_t buckets) : memory(buckets, buckets), mask(buckets - 1) {}
  VirtualArray<Bucket> memory;
  std::uint64_t mask;
};

class Table {
 public:
  enum class Insert : std::uint8_t { kDone, kExists, kFull };

  // `presize`: once a table outgrows its small beginnings it gets room for so many at a stroke.
  // `birth`: where generations start, different from that of tables that had the same slot before.
  Table(const Key& mask, std::uint16_t group, std::uint16_t priority, std::uint32_t presize,
        const HashSecret& secret, std::uint16_t birth);

  // Writer. `key` has no bits outside the mask. `replaced` is the old bucket array, to be kept
  // until the reader has passed.
  Insert insert(const Key& key, const Program& program, ReaderEpoch& epoch, std::uint32_t& index,
                std::unique_ptr<BucketArray>& replaced);
  bool erase(std::uint32_t index, ReaderEpoch& epoch);
  bool live(std::uint32_t index, std::uint16_t generation) const {
    return index < generation_.size() && generation_[index] == generation && (generation & 1U) != 0;
  }
  std::uint16_t generation(std::uint32_t index) const { return generation_[index]; }
  const Program& program(std::uint32_t index) const { return *program_at(index); }
  Counters counters(std::uint32_t index, bool reset);
  std::uint32_t size() const { return size_; }
  std::size_t bytes() const;  // of memory in use
  const Key& mask() const { return mask_; }
  std::uint16_t group() const { return group_; }
  std::uint16_t priority() const { return priority_; }

  // Reader: found[i] is the entry of packets[order[i]] or kNoEntry; n is at most kBurst.
  void lookup(const Packet* packets, const std::uint8_t* order, unsigned n,
              std::uint32_t* found) const;
  const Program* program_at(std::uint32_t index) const {
    return reinterpret_cast<const Program*>(entries_.data() + entry_offset(index) +
                                            program_offset_);
  }
  void count(std::uint32_t index, std::uint32_t bytes) const {
    // The reader is the only one who writes while the entry lives: no locked instructions.
    add(counters_[index].packets, 1);
    add(counters_[index].bytes, bytes);
  }

 private:
  static constexpr unsigned kMaxWordsInLine = 3;
  static constexpr std::uint32_t kMaxRules = 1U << 24U;
  static constexpr unsigned kMaxChain = 64;  // buckets looked at for one key, at most

  static void add(std::uint64_t& counter, std::uint64_t by) {
    std::atomic_ref<std::uint64_t> ref(counter);
    ref.store(ref.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  static std::uint16_t tag_of(std::uint64_t hash) {
    const auto tag = static_cast<std::uint16_t>(hash >> 48U);
    return tag == 0 ? std::uint16_t{1} : tag;
  }
  std::size_t entry_offset(std::uint32_t index) const {
    return std::size_t{index} << stride_shift_;
  }
  std::uint64_t* key_at(std::uint32_t index) const {
    return reinterpret_cast<std::uint64_t*>(entries_.data() + entry_offset(index));
  }
  template <unsigned N>
  static std::uint64_t hash_words(const std::uint64_t* words, const HashSecret& secret);
  std::uint64_t hash(const std::uint64_t* words) const;
  template <unsigned N>
  void lookup_words(const Packet* packets, const std::uint8_t* order, unsigned n,
                    std::uint32_t* found) const;
  template <unsigned N>
  std::uint32_t resolve(const BucketArray& buckets, std::uint64_t hash, unsigned candidates,
                        const std::uint64_t* words) const;
  std::uint32_t find(const BucketArray& buckets, std::uint64_t hash,
                     const std::uint64_t* words) const;
  static bool place(const BucketArray& buckets, std::uint64_t hash, std::uint32_t index);
  std::unique_ptr<BucketArray> grow();
  std::uint32_t take_entry(ReaderEpoch& epoch);

  struct Limbo {
    ReaderEpoch::Stamp stamp;
    std::uint32_t index;
  };

  Key mask_;
  unsigned words_ = 0;  // how many words of the mask are not zero
  std::uint8_t word_[kKeyWords] = {};
  std::uint64_t word_mask_[kKeyWords] = {};
  unsigned stride_shift_ = 6;
  unsigned program_offset_ = 0;
  std::uint16_t group_, priority_;
  HashSecret secret_;
  std::atomic<const BucketArray*> buckets_{nullptr};
  VirtualArray<std::uint8_t> entries_;
  VirtualArray<Counters> counters_;

  // Writer only.
  std::unique_ptr<BucketArray> owned_;
  std::uint32_t presize_;
  std::uint16_t first_generation_;
  std::uint32_t capacity_ = 0;  // entries
  std::uint32_t next_ = 0;      // first entry that was never used
  std::uint32_t size_ = 0;
  std::deque<Limbo> limbo_;                               // erased, oldest first
  std::vector<std::uint16_t> generation_;                 // odd: in use
  std::unordered_map<std::uint32_t, Counters> reset_at_;  // what queries with reset subtract
};

}  // namespace sluice::eswitch
