// SPDX-License-Identifier: Apache-2.0
// Looking at a bucket: all eight tags at once.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <atomic>
#include <cstdint>

#include "offload/eswitch/table.h"

namespace sluice::eswitch {

// A bit for each slot whose tag is this one (0: for each free slot).
inline unsigned match_tags(Bucket& bucket, std::uint16_t tag) {
  const auto low = std::atomic_ref<std::uint64_t>(bucket.tags[0]).load(std::memory_order_acquire);
  const auto high = std::atomic_ref<std::uint64_t>(bucket.tags[1]).load(std::memory_order_acquire);
#ifdef __SSE2__
  const __m128i tags = _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
  const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<short>(tag)));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
#else
  unsigned mask = 0;
  for (unsigned slot = 0; slot < Bucket::kSlots; ++slot) {
    const std::uint64_t word = slot < 4 ? low : high;
    if (static_cast<std::uint16_t>(word >> (slot % 4) * 16) == tag) mask |= 1U << slot;
  }
  return mask;
#endif
}

inline std::uint32_t entry_of(Bucket& bucket, unsigned slot) {
  return std::atomic_ref<std::uint32_t>(bucket.entry[slot]).load(std::memory_order_acquire);
}

}  // namespace sluice::eswitch
