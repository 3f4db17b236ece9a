// SPDX-License-Identifier: Apache-2.0
// The tables' keyed hash: each step folds a 128-bit product (as wyhash does), so that one input bit
// reaches all others in a few cycles and colliding inputs can't be found without the secret.
#pragma once

#include <cstdint>

#include "offload/eswitch/table.h"

namespace sluice::eswitch {

inline std::uint64_t multiply_fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

template <unsigned N>
std::uint64_t Table::hash_words(const std::uint64_t* w, const HashSecret& secret) {
  std::uint64_t h = secret.word[kKeyWords];
  if constexpr (N >= 2) {
    h = multiply_fold(w[0] ^ secret.word[0], w[1] ^ secret.word[1]);
#pragma GCC unroll 6
    for (unsigned i = 2; i < N; ++i) h = multiply_fold(h ^ w[i], secret.word[i]);
  } else if constexpr (N == 1) {
    h = w[0] ^ secret.word[0];
  }
  return multiply_fold(h, secret.word[kKeyWords]);
}

}  // namespace sluice::eswitch
