// SPDX-License-Identifier: Apache-2.0
#include "common/base/ip.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("an address is printed as it is usually written") {
  for (const auto* text : {"10.0.0.1", "255.255.255.255", "fd00::1", "::", "2001:db8::ff:0:1"}) {
    CAPTURE(text);
    const auto ip = IpAddr::parse(text);
    REQUIRE(ip);
    CHECK(ip->to_string() == text);
  }
  CHECK(IpAddr::parse("FD00:0:0::1")->to_string() == "fd00::1");
}

TEST_CASE("what is no address is refused with the text") {
  for (const auto* text : {"", "10.0.0", "10.0.0.01", " 10.0.0.1", "fe80::1%eth0", "::1::", "g::1",
                           "10.0.0.1/24", "1:2:3:4:5:6:7:8:9"}) {
    CAPTURE(text);
    const auto ip = IpAddr::parse(text);
    REQUIRE(!ip);
    CHECK(ip.error().message.find(text) != std::string::npos);
  }
  CHECK(!IpAddr::parse(std::string(10000, ':')));
}

TEST_CASE("IPv4 stays IPv4") {
  const auto ip = IpAddr::from(Ipv4{0x0a000001});
  CHECK(!ip.v6);
  CHECK(ip.v4() == Ipv4{0x0a000001});
  CHECK(!IpAddr::parse("::ffff:10.0.0.1")->v4());
  CHECK(ip < *IpAddr::parse("::"));
}

TEST_CASE("next and previous carry, and end with the family") {
  CHECK(IpAddr::parse("10.0.0.255")->next()->to_string() == "10.0.1.0");
  CHECK(IpAddr::parse("10.0.1.0")->previous()->to_string() == "10.0.0.255");
  CHECK(!IpAddr::parse("255.255.255.255")->next());
  CHECK(!IpAddr::parse("0.0.0.0")->previous());
  CHECK(IpAddr::parse("fd00::ffff")->next()->to_string() == "fd00::1:0");
  CHECK(IpAddr::parse("fd00::")->previous()->to_string() ==
        "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  CHECK(!IpAddr::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")->next());
}

TEST_CASE("kinds of addresses") {
  CHECK(IpAddr::parse("224.0.0.1")->is_multicast());
  CHECK(IpAddr::parse("ff02::1")->is_multicast());
  CHECK(!IpAddr::parse("223.255.255.255")->is_multicast());
  CHECK(IpAddr::parse("169.254.1.1")->is_link_local());
  CHECK(IpAddr::parse("febf::1")->is_link_local());
  CHECK(!IpAddr::parse("fec0::1")->is_link_local());
  CHECK(IpAddr::parse("::")->is_zero());
}

TEST_CASE("a prefix keeps its host bits and knows its ends") {
  const auto prefix = IpPrefix::parse("10.0.3.5/22");
  REQUIRE(prefix);
  CHECK(prefix->to_string() == "10.0.3.5/22");
  CHECK(prefix->network().to_string() == "10.0.0.0");
  CHECK(prefix->last().to_string() == "10.0.3.255");
  CHECK(prefix->contains(*IpAddr::parse("10.0.1.1")));
  CHECK(!prefix->contains(*IpAddr::parse("10.0.4.0")));
  CHECK(!prefix->contains(*IpAddr::parse("::")));
  const auto six = IpPrefix::parse("fd00::5/65");
  REQUIRE(six);
  CHECK(six->last().to_string() == "fd00::7fff:ffff:ffff:ffff");
  CHECK(IpPrefix::parse("10.0.0.1/32")->network() == IpPrefix::parse("10.0.0.1/32")->last());
  CHECK(IpPrefix::parse("1.2.3.4/0")->contains(*IpAddr::parse("255.0.0.1")));
}

TEST_CASE("what is no prefix is refused") {
  for (const auto* text : {"10.0.0.1", "10.0.0.1/", "10.0.0.1/33", "10.0.0.1/08", "fd00::/129",
                           "10.0.0.1/+8", "10.0.0.1/8 ", "/8", "10.0.0.1/8/8"}) {
    CAPTURE(text);
    CHECK(!IpPrefix::parse(text));
  }
}

}  // namespace
}  // namespace sluice
