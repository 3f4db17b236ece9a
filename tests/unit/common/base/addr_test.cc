// SPDX-License-Identifier: Apache-2.0
#include "common/base/addr.h"

#include <doctest/doctest.h>

#include <unordered_set>

using namespace sluice;

TEST_CASE("MAC addresses are read in either case and written in lower case") {
  const auto mac = MacAddr::parse("02:00:00:AA:bb:0C");
  REQUIRE(mac);
  CHECK(mac->to_string() == "02:00:00:aa:bb:0c");
  CHECK_FALSE(mac->is_multicast());
  CHECK(MacAddr::parse("01:00:5e:00:00:01")->is_multicast());
  CHECK(MacAddr{}.is_zero());
}

TEST_CASE("What is no MAC address is refused, and the message shows it") {
  for (const char* text : {"", "02:00:00:aa:bb", "02:00:00:aa:bb:0c:", "02-00-00-aa-bb-0c",
                           "02:00:00:aa:bb:0g", "0200.00aa.bb0c", " 2:00:00:aa:bb:0c"}) {
    INFO(text);
    const auto mac = MacAddr::parse(text);
    REQUIRE_FALSE(mac);
    CHECK(mac.error().code == Code::kInvalid);
    CHECK(mac.error().message.find(text) != std::string::npos);
  }
}

TEST_CASE("IPv4 addresses keep their value") {
  CHECK(Ipv4::parse("10.0.0.1")->value == 0x0a000001);
  CHECK(Ipv4::parse("255.255.255.255")->to_string() == "255.255.255.255");
  CHECK(Ipv4::parse("0.0.0.0")->is_zero());
}

TEST_CASE("What is no IPv4 address is refused") {
  for (const char* text : {"", "10.0.0", "10.0.0.1.2", "10.0.0.256", "10.0.0.01", "10.0.0.1 ",
                           "10..0.1", "+1.0.0.1", "-1.0.0.1", "10.0.0.99999999999"}) {
    INFO(text);
    CHECK_FALSE(Ipv4::parse(text));
  }
}

TEST_CASE("Prefixes contain and overlap") {
  const auto block = *Prefix4::parse("10.244.1.0/24");
  CHECK(block.contains(*Ipv4::parse("10.244.1.255")));
  CHECK_FALSE(block.contains(*Ipv4::parse("10.244.2.0")));
  CHECK(block.overlaps(*Prefix4::parse("10.244.0.0/16")));
  CHECK(Prefix4::parse("10.244.0.0/16")->overlaps(block));
  CHECK_FALSE(block.overlaps(*Prefix4::parse("10.244.2.0/24")));
  CHECK(Prefix4::parse("0.0.0.0/0")->contains(Ipv4{0xffffffff}));
  CHECK(Prefix4::parse("0.0.0.0/0")->mask() == 0);
  CHECK(block.to_string() == "10.244.1.0/24");
}

TEST_CASE("What is no prefix is refused") {
  for (const char* text : {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x",
                           "10.0.0.1/24", "/24"}) {
    INFO(text);
    CHECK_FALSE(Prefix4::parse(text));
  }
}

TEST_CASE("Addresses next to each other do not share a hash") {
  std::unordered_set<std::size_t> hashes;
  for (std::uint32_t i = 0; i < 1000; ++i) hashes.insert(std::hash<Ipv4>{}(Ipv4{0x0a000000 + i}));
  CHECK(hashes.size() == 1000);
}
