// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/address_range.h"

#include <algorithm>

namespace sluice::cni {
namespace {

constexpr std::size_t kMaxShown = 8;

std::optional<IpAddr> search(const IpAddr& from, const IpAddr& to, const Obstacle& obstacle) {
  auto at = from;
  while (at <= to) {
    const auto end = obstacle(at);
    if (!end) return at;
    const auto next = std::max(*end, at).next();
    if (!next) break;
    at = *next;
  }
  return std::nullopt;
}

}  // namespace

AddressRange whole_subnet(const IpPrefix& subnet) {
  AddressRange out;
  out.subnet = {subnet.network(), subnet.length};
  out.first = out.subnet.address;
  out.last = subnet.last();
  if (subnet.length + 1 >= subnet.address.width()) return out;
  out.first = out.first.next().value_or(out.first);
  if (!subnet.address.v6) out.last = out.last.previous().value_or(out.last);
  return out;
}

std::optional<IpAddr> next_free(const RangeSet& set, const std::optional<IpAddr>& last,
                                const Obstacle& obstacle) {
  std::size_t begin = 0;
  bool inside = false;
  for (std::size_t i = 0; last && !inside && i < set.size(); ++i) {
    inside = set[i].contains(*last);
    if (inside) begin = i;
  }
  if (inside && *last < set[begin].last) {
    if (const auto found = search(*last->next(), set[begin].last, obstacle)) return found;
  }
  // The range of the last one is looked at again at the end, for what is before it.
  for (std::size_t i = inside ? 1 : 0; i < set.size() + (inside ? 1 : 0); ++i) {
    const auto& range = set[(begin + i) % set.size()];
    if (const auto found = search(range.first, range.last, obstacle)) return found;
  }
  return std::nullopt;
}

std::string to_string(const RangeSet& set) {
  std::string out;
  for (std::size_t i = 0; i < set.size() && i < kMaxShown; ++i) {
    out += (i == 0 ? "" : ", ") + set[i].first.to_string();
    if (set[i].first != set[i].last) out += "-" + set[i].last.to_string();
  }
  if (set.size() > kMaxShown) out += " and " + std::to_string(set.size() - kMaxShown) + " more";
  return out;
}

}  // namespace sluice::cni
