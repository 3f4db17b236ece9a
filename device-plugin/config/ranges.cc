// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/config/ranges.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "device-plugin/config/text.h"

namespace sluice::config {
namespace {

constexpr std::size_t kMaxRanges = 1024;
constexpr std::int64_t kLargest = std::numeric_limits<std::uint32_t>::max();

// What Go's Atoi takes; the '-' never gets here.
std::optional<std::int64_t> read_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::optional<IndexRange> read_range(std::string_view entry) {
  const auto dash = entry.find('-');
  const auto first = read_number(entry.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : read_number(entry.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  if (*first > kLargest) return IndexRange{1, 0};  // no function has such a number
  return IndexRange{static_cast<std::uint32_t>(*first),
                    static_cast<std::uint32_t>(std::min(*last, kLargest))};
}

void read_entries(std::string_view rest, PfItem& out) {
  while (true) {
    const auto comma = rest.find(',');
    const auto entry = rest.substr(0, comma);
    const auto range = read_range(entry);
    if (!range) {
      out.problems.push_back(cite(entry) +
                             " is no number N or range A-B; it and what follows select nothing");
      return;
    }
    if (range->first > range->last) {
      out.problems.push_back("the range " + cite(entry) + " is reversed and selects nothing");
    }
    if (out.selector.indexes.size() == kMaxRanges) {
      out.problems.push_back("has more than " + std::to_string(kMaxRanges) +
                             " entries; the rest select nothing");
      return;
    }
    out.selector.indexes.push_back(*range);
    if (comma == std::string_view::npos) return;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace

PfItem read_pf_item(std::string_view text) {
  PfItem out;
  const auto hash = text.find('#');
  out.selector.name = lower_case(text.substr(0, hash));
  if (hash == std::string_view::npos) return out;
  out.selector.everything = false;
  const auto rest = text.substr(hash + 1);
  if (rest.find('#') != std::string_view::npos) {
    out.problems.emplace_back("has more than one '#' and selects nothing");
    return out;
  }
  read_entries(rest, out);
  return out;
}

bool selects_index(const PfSelector& selector, std::optional<std::uint32_t> index) {
  if (selector.everything) return true;
  return index && std::any_of(selector.indexes.begin(), selector.indexes.end(),
                              [&](const IndexRange& range) {
                                return *index >= range.first && *index <= range.last;
                              });
}

std::string to_string(const PfSelector& selector) {
  std::string out = selector.name;
  if (selector.everything) return out;
  char separator = '#';
  for (const auto& range : selector.indexes) {
    out += separator + std::to_string(range.first);
    if (range.last != range.first) out += "-" + std::to_string(range.last);
    separator = ',';
  }
  return separator == '#' ? out + "#" : out;
}

}  // namespace sluice::config
