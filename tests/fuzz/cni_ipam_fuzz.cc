// SPDX-License-Identifier: Apache-2.0
// Any bytes as a pool's configuration, its blocks' file, and an IPAM plugin's answer, parted by
// bytes of zero: errors that say something, or values that hold what is promised of them.
// fuzz-deps: sluice_cni_ipam
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/ipam/address_choice.h"
#include "sriov-cni/ipam/pool.h"

namespace {

using namespace sluice;
using namespace sluice::cni;

void require(bool holds) {
  if (!holds) std::abort();
}

std::string_view take_part(std::string_view& rest) {
  const auto end = std::min(rest.find('\0'), rest.size());
  const auto part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

// However large: an address that can be given, or none, and neither takes long.
void check_next(const Pool& pool, const RangeSet& set) {
  const Obstacle excluded = [&](const IpAddr& ip) -> std::optional<IpAddr> {
    for (const auto& prefix : pool.exclude) {
      if (prefix.contains(ip)) return prefix.last();
    }
    return std::nullopt;
  };
  const auto from_start = next_free(set, std::nullopt, excluded);
  const auto from_end = next_free(set, set.back().last, excluded);
  require(from_start.has_value() == from_end.has_value());
  if (!from_start) return;
  require(std::any_of(set.begin(), set.end(),
                      [&](const auto& range) { return range.contains(*from_start); }));
  require(!excluded(*from_start) && !excluded(*from_end));
}

void check_pool(const Pool& pool) {
  require(!pool.name.empty() && pool.name.find('/') == std::string::npos);
  require(!pool.rail.empty() && pool.rail.find('/') == std::string::npos);
  require(!pool.sets.empty());
  std::vector<AddressRange> all;
  for (const auto& set : pool.sets) {
    require(!set.empty());
    for (const auto& range : set) {
      require(range.first <= range.last && range.first.v6 == set.front().first.v6);
      const auto usable = whole_subnet(range.subnet);
      require(usable.contains(range.first) && usable.contains(range.last));
      require(!range.gateway || range.subnet.contains(*range.gateway));
      for (const auto& other : all) require(!other.contains(range.first));
      all.push_back(range);
    }
    check_next(pool, set);
    require(!to_string(set).empty());
  }
  for (const auto& reservation : pool.reservations) {
    require(reservation.pod.empty() == reservation.mac.has_value());
  }
  const auto refused = check_room({}, pool.source(0));
  require(refused || refused.error().message.find(pool.name) != std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto ipam = take_part(rest);
  const auto blocks = take_part(rest);
  const auto pool = parse_pool(ipam, {"net", "node-a", {"0000:3b:00.0", "p0"}},
                               [&](const std::string& path) -> Result<std::string> {
                                 require(path.front() == '/');
                                 return std::string(blocks);
                               });
  if (pool) check_pool(*pool);
  if (!pool) require(!pool.error().message.empty() && pool.error().message.size() < 4000);
  const auto name = pool_name(ipam, "net");
  require(!pool || *name == pool->name);

  const auto result = parse_result(rest, "1.1.0");
  if (!result) require(cni_code(result.error()) != 0 && !result.error().message.empty());
  if (result && can_say("1.1.0", *result)) {
    const auto printed = print_result("1.1.0", *result);
    require(printed.has_value());
    const auto again = parse_result(*printed, "1.1.0");
    require(again.has_value() && *again == *result);
  }
  return 0;
}
