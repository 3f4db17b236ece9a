// SPDX-License-Identifier: Apache-2.0
// Non-cryptographic hashing with a result that is the same on every machine and in every release:
// backend choice and content hashes depend on it.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice {

// The finaliser of splitmix64: a bijection on 64 bits with full avalanche.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ x >> 27U) * 0x94d049bb133111ebULL;
  return x ^ x >> 31U;
}

constexpr std::uint64_t hash_combine(std::uint64_t seed, std::uint64_t value) {
  return mix64(seed ^ (value + 0x9e3779b97f4a7c15ULL + (seed << 6U) + (seed >> 2U)));
}

// FNV-1a, finished by mix64.
constexpr std::uint64_t hash_bytes(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return mix64(h);
}

}  // namespace sluice
