// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/address_range.h"

#include <doctest/doctest.h>

#include <set>

namespace sluice::cni {
namespace {

IpAddr ip(const char* text) { return IpAddr::parse(text).value(); }
AddressRange range(const char* first, const char* last) {
  return {IpPrefix::parse("0.0.0.0/0").value(), ip(first), ip(last), {}};
}

TEST_CASE("what of a subnet a host can have") {
  struct Row {
    const char *subnet, *first, *last;
  };
  for (const auto& row :
       {Row{"10.0.0.0/24", "10.0.0.1", "10.0.0.254"}, Row{"10.0.0.0/30", "10.0.0.1", "10.0.0.2"},
        Row{"10.0.0.0/31", "10.0.0.0", "10.0.0.1"}, Row{"10.0.0.7/32", "10.0.0.7", "10.0.0.7"},
        Row{"255.255.255.0/24", "255.255.255.1", "255.255.255.254"},
        Row{"fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff"},
        Row{"fd00::2/127", "fd00::2", "fd00::3"}, Row{"fd00::9/128", "fd00::9", "fd00::9"}}) {
    INFO(row.subnet);
    const auto out = whole_subnet(IpPrefix::parse(row.subnet).value());
    CHECK(out.first == ip(row.first));
    CHECK(out.last == ip(row.last));
  }
}

TEST_CASE("the search goes on after the last one, over ranges, and around once") {
  const RangeSet set = {range("10.0.0.1", "10.0.0.2"), range("10.0.5.1", "10.0.5.1"),
                        range("10.0.3.1", "10.0.3.2")};
  std::set<IpAddr> taken;
  const Obstacle obstacle = [&](const IpAddr& at) -> std::optional<IpAddr> {
    if (taken.count(at) != 0) return at;
    return std::nullopt;
  };
  std::string order;
  std::optional<IpAddr> last = ip("10.0.5.1");
  for (int i = 0; i < 5; ++i) {
    last = next_free(set, last, obstacle);
    REQUIRE(last);
    taken.insert(*last);
    order += last->to_string() + " ";
  }
  CHECK(order == "10.0.3.1 10.0.3.2 10.0.0.1 10.0.0.2 10.0.5.1 ");
  CHECK_FALSE(next_free(set, last, obstacle));
  CHECK_FALSE(next_free(set, std::nullopt, obstacle));
  // What is before the last one in its own range comes last of all.
  taken.erase(ip("10.0.0.1"));
  CHECK(next_free(set, ip("10.0.0.2"), obstacle) == ip("10.0.0.1"));
  // A last one that is in no range (they were changed) means the beginning.
  taken.clear();
  CHECK(next_free(set, ip("192.0.2.1"), obstacle) == ip("10.0.0.1"));
}

TEST_CASE("an obstacle is stepped over at once, and the family's end is an end") {
  const RangeSet set = {range("fd00::1", "fd00::ffff:ffff:ffff:ffff")};
  int asked = 0;
  const auto found = next_free(set, std::nullopt, [&](const IpAddr& at) -> std::optional<IpAddr> {
    ++asked;
    if (at < ip("fd00::8000:0:0:0")) return ip("fd00::7fff:ffff:ffff:ffff");
    return std::nullopt;
  });
  CHECK(found == ip("fd00::8000:0:0:0"));
  CHECK(asked == 2);
  const auto all = [](const IpAddr& at) { return std::optional<IpAddr>(at); };
  CHECK_FALSE(next_free({range("255.255.255.254", "255.255.255.255")}, std::nullopt, all));
}

TEST_CASE("ranges in words") {
  CHECK(to_string({range("10.0.0.1", "10.0.0.9"), range("10.1.0.1", "10.1.0.1")}) ==
        "10.0.0.1-10.0.0.9, 10.1.0.1");
  CHECK(to_string(RangeSet(11, range("10.0.0.1", "10.0.0.1"))).ends_with(" and 3 more"));
}

}  // namespace
}  // namespace sluice::cni
