// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "device-plugin/config/names.h"
#include "device-plugin/config/ranges.h"
#include "device-plugin/config/selector_values.h"
#include "device-plugin/config/text.h"

namespace sluice::config {
namespace {

TEST_CASE("items: what they select and what is wrong with them") {
  struct Row {
    const char* text;
    const char* as_read;
    std::size_t problems;
  };
  const std::vector<Row> rows = {
      {"p0", "p0", 0},
      {"P0#1", "p0#1", 0},
      {"p0#0-3,7", "p0#0-3,7", 0},
      {"p0#+1,03", "p0#1,3", 0},
      {"p0#0-2,x,5", "p0#0-2", 1},
      {"p0#x,0-2", "p0#", 1},
      {"p0#5-3", "p0#5-3", 1},
      {"p0#", "p0#", 1},
      {"p0#1#2", "p0#", 1},
      {"p0#1-2-3", "p0#", 1},
      {"p0#-1", "p0#", 1},
      {"p0#1,,2", "p0#1", 1},
      {"p0#4-9999999999", "p0#4-4294967295", 0},
      {"p0#9999999999", "p0#1-0", 1},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    const auto item = read_pf_item(row.text);
    CHECK(to_string(item.selector) == row.as_read);
    CHECK(item.problems.size() == row.problems);
  }
}

TEST_CASE("a PF has no index, and matches only without '#'") {
  CHECK(selects_index(read_pf_item("p0").selector, std::nullopt));
  CHECK_FALSE(selects_index(read_pf_item("p0#0-9").selector, std::nullopt));
  CHECK(selects_index(read_pf_item("p0#0-9").selector, 9));
  CHECK_FALSE(selects_index(read_pf_item("p0#0-9").selector, 10));
}

TEST_CASE("endless lists are cut, with a word") {
  std::string text = "p0#1";
  for (int i = 0; i < 2000; ++i) text += ",1";
  const auto item = read_pf_item(text);
  CHECK(item.selector.indexes.size() == 1024);
  REQUIRE(item.problems.size() == 1);
  CHECK(item.problems[0].find("more than 1024") != std::string::npos);
}

TEST_CASE("IDs and keys are numbers") {
  for (const char* text : {"15b3", "15B3", "0x15b3", "0X15B3"}) CHECK(read_id(text) == 0x15b3);
  for (const char* text : {"", "0x", "15b3a", "-1", "+1", " 15b3", "15b3 ", "mlx"}) {
    INFO(text);
    CHECK_FALSE(read_id(text));
  }
  CHECK(read_pkey("0x1") == 1);
  CHECK(read_pkey("0x0001") == 1);
  CHECK(read_link_type("InfiniBand") == "infiniband");
  CHECK(read_link_type("ethernet").error().message.find("did you mean 'ether'?") !=
        std::string::npos);
}

TEST_CASE("resource names") {
  for (const char* good : {"a", "A", "sriov-net_0", "0"}) CHECK(check_resource_name(good, false));
  for (const char* bad : {"", "junk.net.0", "-a", "a-", "_a", "a_", "a b", "a/b", "\xc3\xa4"}) {
    INFO(bad);
    CHECK_FALSE(check_resource_name(bad, false));
  }
  CHECK(check_resource_name("a.b", true));
  CHECK_FALSE(check_resource_name("a.", true));
  CHECK(check_resource_name(std::string(63, 'a'), false));
  CHECK(check_resource_name(std::string(64, 'a'), false).error().message.find("at most 63") !=
        std::string::npos);
  CHECK(check_resource_name("-a", false).error().message.find("kubelet") != std::string::npos);
}

TEST_CASE("resource prefixes") {
  for (const char* good : {"sluice.dev", "a", "a-b.c1", "1a.b", "a--b"}) {
    INFO(good);
    CHECK(check_resource_prefix(good));
  }
  for (const char* bad : {"", ".a", "a.", "a..b", "-a", "a-", "a-.b", "a.-b", "A", "a/b", "a_b",
                          "kubernetes.io", "x.kubernetes.io", "requests.x"}) {
    INFO(bad);
    CHECK_FALSE(check_resource_prefix(bad));
  }
  std::string name = std::string(60, 'a') + "." + std::string(60, 'b') + "." +
                     std::string(60, 'c') + "." + std::string(61, 'd');
  CHECK(name.size() == 244);
  CHECK(check_resource_prefix(name));
  CHECK_FALSE(check_resource_prefix(name + "e"));
}

TEST_CASE("what is shown of somebody else's text") {
  CHECK(cite("a\nb") == "'a?b'");
  CHECK(cite(std::string(300, 'x')) == "'" + std::string(200, 'x') + "...'");
  // Two bytes a character, 199 + 1: none is cut in half.
  CHECK(bounded(std::string(199, 'x') + "\xc3\xa4\xc3\xa4") == std::string(199, 'x') + "...");
}

}  // namespace
}  // namespace sluice::config
