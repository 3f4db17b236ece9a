// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "sriov-cni/config/values.h"

namespace sluice::cni {
namespace {

TEST_CASE("rates with units") {
  struct Row {
    const char* text;
    std::optional<std::uint32_t> mbps;
  };
  const std::vector<Row> rows = {
      {"0", 0},
      {"500", 500},
      {"500Mbit", 500},
      {"500 mbit", 500},
      {"500M", 500},
      {"2.5Gbit", 2500},
      {"2.5 Gbit/s", 2500},
      {"1Gbps", 1000},
      {"0.001G", 1},
      {"2000kbit", 2},
      {"1.5Tb/s", 1500000},
      {"4294Tbit", 4294000000},
      {"0.000000500T", std::nullopt},
      {"4295Tbit", std::nullopt},
      {"1500kbit", std::nullopt},
      {"0.5", std::nullopt},
      {"0.0001G", std::nullopt},
      {"1234567890", std::nullopt},
      {"99999999999999999999", std::nullopt},
      {"", std::nullopt},
      {"Mbit", std::nullopt},
      {"-1", std::nullopt},
      {"1.", std::nullopt},
      {".5G", std::nullopt},
      {"1.2.3G", std::nullopt},
      {"1 Gbit ", std::nullopt},
      {"1GBps2", std::nullopt},
      {"1MiB", std::nullopt},
      {"1e3", std::nullopt},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    CHECK(parse_mbps(row.text) == row.mbps);
  }
}

TEST_CASE("MAC addresses of ports") {
  const auto good = MacAddr::parse("02:00:00:aa:bb:cc").value();
  for (const char* text : {"02:00:00:aa:bb:cc", "02-00-00-AA-BB-CC", "0200.00aa.bbcc"}) {
    CHECK(parse_port_mac(text) == good);
  }
  for (const char* text :
       {"", "02:00:00:aa:bb", "02:00:00:aa:bb-cc", "0200:00aa:bbcc", "02.00.00.aa.bb.cc",
        "02:00:00:aa:bb:+c", "02:00:00:aa:bb:cc:dd", "ff:ff:ff:ff:ff:ff", "03:00:00:00:00:00",
        "00:00:00:00:00:00", "0200.00aa.bbccx"}) {
    INFO(text);
    CHECK_FALSE(parse_port_mac(text));
  }
}

TEST_CASE("P_Keys") {
  CHECK(parse_pkey("0x8001") == 0x8001);
  CHECK(parse_pkey("0X7fff") == 0x7fff);
  CHECK(parse_pkey("1") == 1);
  for (const char* text : {"", "0x", "0", "0x8000", "32768", "0x10000", "8001h", "-1", "0x-1"}) {
    INFO(text);
    CHECK_FALSE(parse_pkey(text));
  }
}

TEST_CASE("ranges that overlap or touch are one") {
  CHECK(merge_ranges({}).empty());
  CHECK(merge_ranges({{5, 9}, {1, 2}, {3, 3}, {6, 7}, {11, 12}}) ==
        std::vector<VlanRange>{{1, 3}, {5, 9}, {11, 12}});
  CHECK(merge_ranges({{1, 4094}, {4094, 4094}}) == std::vector<VlanRange>{{1, 4094}});
}

TEST_CASE("addresses with and without a length") {
  CHECK(parse_address("10.0.0.5/24")->to_string() == "10.0.0.5/24");
  CHECK(parse_address("10.0.0.5")->to_string() == "10.0.0.5/32");
  CHECK(parse_address("fd00::5")->to_string() == "fd00::5/128");
  CHECK_FALSE(parse_address("10.0.0.5/"));
  CHECK_FALSE(parse_address("host"));
}

}  // namespace
}  // namespace sluice::cni
