// SPDX-License-Identifier: Apache-2.0
// The file of call_stats.h, byte by byte: native 64-bit counters, since no other machine reads it.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "common/base/result.h"
#include "common/callstats/call_stats.h"

namespace sluice::callstats {

inline constexpr std::uint64_t kMagic = 0x7374'6143'6963'6c53;  // "SlciCats" as it lies there
inline constexpr std::uint32_t kVersion = 2;                    // one more when the layout changes
inline constexpr std::size_t kCodes = 256;                      // 0 to 255, then "other"

struct Header {
  std::uint64_t magic = 0;
  std::uint32_t version = 0;
  std::uint32_t size = 0;  // of the whole file
};

struct StepCounters {
  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  std::uint64_t sum_us = 0;
};

struct Layout {
  Header header;
  std::array<std::array<StepCounters, kSteps>, kVerbs> steps{};
  std::array<std::array<std::uint64_t, kCodes + 1>, kVerbs> codes{};
  std::uint64_t repaired = 0;
};
static_assert(std::is_trivially_copyable_v<Layout> && std::is_standard_layout_v<Layout>);
static_assert(sizeof(Header) == 16 && sizeof(Layout) % sizeof(std::uint64_t) == 0);

Layout empty_layout();
// Code::kInvalid, and what is wrong, for a file of this length that begins so.
Status check_header(const Header& header, std::uint64_t file_size);

}  // namespace sluice::callstats
