// SPDX-License-Identifier: Apache-2.0
// The reader's side of a table: a burst at a time, so that the cache misses of its packets overlap.
#include "offload/eswitch/table.h"

#include <bit>

#include "offload/eswitch/table_bucket.h"
#include "offload/eswitch/table_hash.h"

namespace sluice::eswitch {
template <unsigned N>
std::uint32_t Table::resolve(const BucketArray& buckets, std::uint64_t h, unsigned candidates,
                             const std::uint64_t* words) const {
  for (unsigned step = 0;;) {
    Bucket& b = buckets.memory[(h + step) & buckets.mask];
    while (candidates != 0) {
      const std::uint32_t index = entry_of(b, static_cast<unsigned>(std::countr_zero(candidates)));
      candidates &= candidates - 1;
      const std::uint64_t* key = key_at(index);
      std::uint64_t differ = 0;
#pragma GCC unroll 6
      for (unsigned i = 0; i < N; ++i) differ |= key[i] ^ words[i];
      if (differ == 0) return index;
    }
    if (std::atomic_ref<std::uint32_t>(b.overflow).load(std::memory_order_acquire) == 0 ||
        ++step == kMaxChain) {
      return kNoEntry;
    }
    candidates = match_tags(buckets.memory[(h + step) & buckets.mask], tag_of(h));
  }
}

template <unsigned N>
void Table::lookup_words(const Packet* packets, const std::uint8_t* order, unsigned n,
                         std::uint32_t* found) const {
  const BucketArray& buckets = *buckets_.load(std::memory_order_acquire);
  std::uint8_t which[N == 0 ? 1 : N] = {};
  std::uint64_t masks[N == 0 ? 1 : N] = {};
  for (unsigned w = 0; w < N; ++w) which[w] = word_[w], masks[w] = word_mask_[w];
  std::uint64_t words[kBurst][N == 0 ? 1 : N];
  std::uint64_t hashes[kBurst];
  unsigned candidates[kBurst];
  for (unsigned i = 0; i < n; ++i) {
    const Key& key = packets[order[i]].key;
#pragma GCC unroll 6
    for (unsigned w = 0; w < N; ++w) words[i][w] = key.word[which[w]] & masks[w];
    hashes[i] = hash_words<N>(words[i], secret_);
    __builtin_prefetch(&buckets.memory[hashes[i] & buckets.mask]);
  }
  for (unsigned i = 0; i < n; ++i) {
    Bucket& b = buckets.memory[hashes[i] & buckets.mask];
    candidates[i] = match_tags(b, tag_of(hashes[i]));
    if (candidates[i] != 0) {
      const auto* entry = reinterpret_cast<const char*>(
          key_at(entry_of(b, static_cast<unsigned>(std::countr_zero(candidates[i])))));
      __builtin_prefetch(entry);
      if constexpr (N > kMaxWordsInLine) __builtin_prefetch(entry + 64);
    }
  }
  for (unsigned i = 0; i < n; ++i) {
    found[i] = resolve<N>(buckets, hashes[i], candidates[i], words[i]);
  }
}

void Table::lookup(const Packet* packets, const std::uint8_t* order, unsigned n,
                   std::uint32_t* found) const {
  switch (words_) {
    case 0:
      return lookup_words<0>(packets, order, n, found);
    case 1:
      return lookup_words<1>(packets, order, n, found);
    case 2:
      return lookup_words<2>(packets, order, n, found);
    case 3:
      return lookup_words<3>(packets, order, n, found);
    case 4:
      return lookup_words<4>(packets, order, n, found);
    case 5:
      return lookup_words<5>(packets, order, n, found);
    default:
      return lookup_words<6>(packets, order, n, found);
  }
}

}  // namespace sluice::eswitch
