// SPDX-License-Identifier: Apache-2.0
// The writer's side of a table. The reader's is table_lookup.cc.
#include "offload/eswitch/table.h"

#include <algorithm>
#include <new>

#include "offload/eswitch/table_bucket.h"
#include "offload/eswitch/table_hash.h"

namespace sluice::eswitch {
namespace {

constexpr std::size_t kFirstBuckets = 16;
constexpr std::uint32_t kSmall = 1024;  // rules, below which a presize is not heeded

std::atomic_ref<std::uint64_t> tags_of(Bucket& bucket, unsigned slot) {
  return std::atomic_ref<std::uint64_t>(bucket.tags[slot / 4]);
}
unsigned shift_of(unsigned slot) { return (slot % 4) * 16; }

void set_tag(Bucket& bucket, unsigned slot, std::uint16_t tag) {
  auto word = tags_of(bucket, slot);
  std::uint64_t v = word.load(std::memory_order_relaxed);
  v &= ~(std::uint64_t{0xffff} << shift_of(slot));
  v |= std::uint64_t{tag} << shift_of(slot);
  word.store(v, std::memory_order_release);
}

std::size_t buckets_for(std::uint64_t rules) {
  // At most two thirds full, on average.
  return std::max(kFirstBuckets, std::bit_ceil(static_cast<std::size_t>(rules * 3 / 2 / 8)));
}

}  // namespace

Table::Table(const Key& mask, std::uint16_t group, std::uint16_t priority, std::uint32_t presize,
             const HashSecret& secret, std::uint16_t birth)
    : mask_(mask),
      group_(group),
      priority_(priority),
      secret_(secret),
      presize_(presize),
      first_generation_(static_cast<std::uint16_t>(birth * 2U)) {
  for (unsigned i = 0; i < kKeyWords; ++i) {
    if (mask.word[i] == 0) continue;
    word_[words_] = static_cast<std::uint8_t>(i);
    word_mask_[words_++] = mask.word[i];
  }
  stride_shift_ = words_ <= kMaxWordsInLine ? 6 : 7;
  program_offset_ = (words_ <= kMaxWordsInLine ? kMaxWordsInLine : kKeyWords) * 8;
  owned_ = std::make_unique<BucketArray>(kFirstBuckets);
  entries_ = VirtualArray<std::uint8_t>(std::size_t{kMaxRules} << stride_shift_, 4096);
  counters_ = VirtualArray<Counters>(kMaxRules);
  if (owned_->memory.data() == nullptr || entries_.data() == nullptr ||
      counters_.data() == nullptr) {
    throw std::bad_alloc();  // caught by Pipeline, its only user
  }
  capacity_ = static_cast<std::uint32_t>(
      std::min(entries_.capacity() >> stride_shift_, counters_.capacity()));
  buckets_.store(owned_.get(), std::memory_order_release);
}

std::uint64_t Table::hash(const std::uint64_t* words) const {
  switch (words_) {
    case 0:
      return hash_words<0>(words, secret_);
    case 1:
      return hash_words<1>(words, secret_);
    case 2:
      return hash_words<2>(words, secret_);
    case 3:
      return hash_words<3>(words, secret_);
    case 4:
      return hash_words<4>(words, secret_);
    case 5:
      return hash_words<5>(words, secret_);
    default:
      return hash_words<6>(words, secret_);
  }
}

std::uint32_t Table::find(const BucketArray& buckets, std::uint64_t h,
                          const std::uint64_t* words) const {
  const std::uint16_t tag = tag_of(h);
  for (unsigned step = 0; step < kMaxChain; ++step) {
    Bucket& b = buckets.memory[(h + step) & buckets.mask];
    for (unsigned left = match_tags(b, tag); left != 0; left &= left - 1) {
      const std::uint32_t index = b.entry[std::countr_zero(left)];
      if (std::equal(words, words + words_, key_at(index))) return index;
    }
    if (b.overflow == 0) break;
  }
  return kNoEntry;
}

bool Table::place(const BucketArray& buckets, std::uint64_t h, std::uint32_t index) {
  for (unsigned step = 0; step < kMaxChain; ++step) {
    Bucket& b = buckets.memory[(h + step) & buckets.mask];
    const unsigned free = match_tags(b, 0);
    if (free == 0) continue;
    // A reader may come any time: the way to the entry first, the entry last.
    for (unsigned before = 0; before < step; ++before) {
      std::atomic_ref<std::uint32_t> passed(buckets.memory[(h + before) & buckets.mask].overflow);
      passed.store(passed.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    const auto slot = static_cast<unsigned>(std::countr_zero(free));
    std::atomic_ref<std::uint32_t>(b.entry[slot]).store(index, std::memory_order_release);
    set_tag(b, slot, tag_of(h));
    return true;
  }
  return false;
}

std::unique_ptr<BucketArray> Table::grow() {
  const std::uint64_t wanted =
      std::max<std::uint64_t>(std::uint64_t{size_} * 4, size_ >= kSmall ? presize_ : 0);
  std::size_t buckets = std::max(buckets_for(wanted), (owned_->mask + 1) * 2);
  for (int attempt = 0; attempt < 2; ++attempt, buckets *= 2) {
    auto larger = std::make_unique<BucketArray>(buckets);
    if (larger->memory.data() == nullptr) return nullptr;
    bool fits = true;
    for (std::uint32_t i = 0; i < next_ && fits; ++i) {
      if ((generation_[i] & 1U) != 0) fits = place(*larger, hash(key_at(i)), i);
    }
    if (!fits) continue;
    buckets_.store(larger.get(), std::memory_order_release);
    std::swap(owned_, larger);
    return larger;
  }
  return nullptr;
}

std::uint32_t Table::take_entry(ReaderEpoch& epoch) {
  if (!limbo_.empty() && epoch.passed(limbo_.front().stamp)) {
    const std::uint32_t index = limbo_.front().index;
    limbo_.pop_front();
    return index;
  }
  if (next_ >= capacity_) return kNoEntry;
  generation_.push_back(first_generation_);
  return next_++;
}

Table::Insert Table::insert(const Key& key, const Program& program, ReaderEpoch& epoch,
                            std::uint32_t& index, std::unique_ptr<BucketArray>& replaced) {
  std::uint64_t words[kKeyWords];
  for (unsigned i = 0; i < words_; ++i) words[i] = key.word[word_[i]];
  const std::uint64_t h = hash(words);
  if (find(*owned_, h, words) != kNoEntry) return Insert::kExists;

  if (size_ >= (owned_->mask + 1) * Bucket::kSlots * 3 / 4) replaced = grow();
  index = take_entry(epoch);
  if (index == kNoEntry) return Insert::kFull;
  std::copy(words, words + words_, key_at(index));
  *const_cast<Program*>(program_at(index)) = program;
  if ((program.flags & Program::kCount) != 0) counters_[index] = Counters{};
  if (!place(*owned_, h, index)) {
    limbo_.push_front({0, index});
    return Insert::kFull;
  }
  ++generation_[index];
  ++size_;
  return Insert::kDone;
}

bool Table::erase(std::uint32_t index, ReaderEpoch& epoch) {
  const std::uint64_t h = hash(key_at(index));
  for (unsigned step = 0; step < kMaxChain; ++step) {
    Bucket& b = owned_->memory[(h + step) & owned_->mask];
    for (unsigned left = match_tags(b, tag_of(h)); left != 0; left &= left - 1) {
      const auto slot = static_cast<unsigned>(std::countr_zero(left));
      if (b.entry[slot] != index) continue;
      set_tag(b, slot, 0);
      for (unsigned before = 0; before < step; ++before) {
        std::atomic_ref<std::uint32_t> passed(owned_->memory[(h + before) & owned_->mask].overflow);
        passed.store(passed.load(std::memory_order_relaxed) - 1, std::memory_order_release);
      }
      limbo_.push_back({epoch.stamp(), index});
      ++generation_[index];
      --size_;
      if (!reset_at_.empty()) reset_at_.erase(index);
      return true;
    }
    if (b.overflow == 0) return false;
  }
  return false;
}

Counters Table::counters(std::uint32_t index, bool reset) {
  auto& c = counters_[index];
  const Counters now{std::atomic_ref<std::uint64_t>(c.packets).load(std::memory_order_relaxed),
                     std::atomic_ref<std::uint64_t>(c.bytes).load(std::memory_order_relaxed)};
  Counters base;
  if (const auto it = reset_at_.find(index); it != reset_at_.end()) base = it->second;
  if (reset) reset_at_[index] = now;
  return {now.packets - base.packets, now.bytes - base.bytes};
}

std::size_t Table::bytes() const {
  return sizeof *this + (owned_->mask + 1) * sizeof(Bucket) +
         (std::size_t{next_} << stride_shift_) +
         next_ * (sizeof(Counters) + sizeof(std::uint16_t)) + limbo_.size() * sizeof(Limbo);
}

}  // namespace sluice::eswitch
