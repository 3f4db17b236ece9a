// SPDX-License-Identifier: Apache-2.0
// The Internet checksum: whole (RFC 1071) and by difference (RFC 1624).
//
// Contract: sums are of 16-bit words as they lie in memory, in whatever byte order; the result has
// the same order (RFC 1071 section 2 (B)), so it is stored as it is.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace sluice::eswitch {

// Ones' complement addition is associative: add up wide, fold once. Adding a word to itself with
// its halves exchanged leaves in the upper half the sum of both, with the carry brought around.
constexpr std::uint16_t fold(std::uint64_t sum) {
  sum += std::rotl(sum, 32);
  auto half = static_cast<std::uint32_t>(sum >> 32U);
  half += std::rotl(half, 16);
  return static_cast<std::uint16_t>(half >> 16U);
}

// Adds the bytes to the sum; an odd last byte counts as if a zero followed it.
std::uint64_t sum_bytes(std::span<const std::uint8_t> bytes, std::uint64_t sum = 0);

// What changing a field from `before` to `after` adds to a sum: ~m + m' of RFC 1624.
constexpr std::uint64_t difference(std::uint16_t before, std::uint16_t after) {
  return static_cast<std::uint16_t>(~before) + std::uint64_t{after};
}
constexpr std::uint64_t difference(std::uint32_t before, std::uint32_t after) {
  return static_cast<std::uint32_t>(~before) + std::uint64_t{after};
}

// HC' = ~(~HC + ~m + m')
constexpr std::uint16_t update_checksum(std::uint16_t checksum, std::uint64_t diff) {
  return static_cast<std::uint16_t>(~fold(static_cast<std::uint16_t>(~checksum) + diff));
}

// Of an IPv4 header in place: clears, computes and stores its checksum field.
void write_ipv4_checksum(std::uint8_t* ip, std::uint32_t header_length);

// The pseudo-header's sum, not complemented (RFC 9293 3.1, RFC 768).
std::uint64_t pseudo_header_sum(const std::uint8_t* ip, std::uint8_t proto, std::uint32_t length);

// The whole checksum of `length` bytes of TCP or UDP at `l4`, stored in its field (UDP: never 0).
void write_l4_checksum(const std::uint8_t* ip, std::uint8_t* l4, std::uint8_t proto,
                       std::uint32_t length);

}  // namespace sluice::eswitch
