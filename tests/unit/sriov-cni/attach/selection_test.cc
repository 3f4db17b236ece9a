// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/selection.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace sluice::cni {
namespace {

constexpr const char* kPod = "shop/web-0";

ListedDevice device(const std::string& id, std::uint64_t given,
                    const std::string& resource = "sluice.dev/vf") {
  return {id, resource, "", given};
}

ListedDevice of_claim(const std::string& id, std::uint64_t given) {
  return {id, "sluice.dev/vf", "shop/net", given};
}

Holder had(const std::string& uid, std::uint64_t given, const std::string& by = "now") {
  return {kPod, uid, false, given, by};
}

Holder has(const std::string& uid, std::uint64_t given, const std::string& by = "now") {
  return {kPod, uid, true, given, by};
}

std::string joined(const Selection& selection) {
  std::string out;
  for (const auto& own : selection.own) out += (out.empty() ? "" : " ") + own.id;
  out += " |";
  for (const auto& left : selection.left_out) out += " " + left.id;
  return out;
}

TEST_CASE("which of the listed devices are this pod's") {
  struct Row {
    const char* what;
    std::vector<ListedDevice> listed;
    std::map<std::string, Holder> holders;
    const char* expected;  // "<own> | <left out>"
    std::string uid = "new";
    std::string instance = "now";
  };
  const std::vector<Row> rows = {
      {"nothing", {}, {}, " |"},
      {"nobody had them", {device("a", 1), device("b", 2)}, {}, "a b |"},
      {"another pod's name means nothing: the kubelet knows",
       {device("a", 0)},
       {{"a", {"shop/db", "old", false, 1, "now"}}},
       "a |"},
      {"this pod itself, in an earlier sandbox", {device("a", 1)}, {{"a", had("new", 1)}}, "a |"},
      {"the predecessor has it, first in the list",
       {device("a", 1), device("b", 2)},
       {{"a", has("old", 1)}},
       "b | a"},
      {"the predecessor has it, last in the list",
       {device("a", 2), device("b", 1)},
       {{"b", has("old", 1)}},
       "a | b"},
      {"it had it, and it wasn't given again",
       {device("a", 1), device("b", 2)},
       {{"a", had("old", 1)}},
       "b | a"},
      {"it had several",
       {device("a", 1), device("b", 5), device("c", 2), device("d", 6)},
       {{"a", had("old", 1)}, {"c", has("old", 2)}},
       "b d | a c"},
      {"it was given again", {device("a", 3)}, {{"a", had("old", 1)}}, "a |"},
      {"given again, and still in the old sandbox: waited for, not left out",
       {device("a", 3)},
       {{"a", has("old", 1)}},
       "a |"},
      {"the successor asked for none", {device("a", 1)}, {{"a", had("old", 1)}}, " | a"},
      {"both before the plugin's start: one grant",
       {device("a", 0), device("b", 1)},
       {{"a", had("old", 0)}},
       "b | a"},
      {"given by the plugin's present instance, had from an earlier one",
       {device("a", 1)},
       {{"a", had("old", 7, "before")}},
       "a |"},
      {"nobody knows: not when another is certain",
       {device("a", 0), device("b", 1)},
       {{"a", had("old", 7, "before")}},
       "b | a"},
      {"nobody knows, and nothing is certain",
       {device("a", 0)},
       {{"a", had("old", 7, "before")}},
       "a |"},
      {"certain in another resource says nothing",
       {device("a", 0), device("b", 1, "sluice.dev/storage")},
       {{"a", had("old", 7, "before")}},
       "a b |"},
      {"nobody knows, but the old sandbox has it",
       {device("a", 0)},
       {{"a", has("old", 7, "before")}},
       " | a"},
      {"a record that the plugin had no part in",
       {device("a", 1), device("b", 2)},
       {{"a", had("old", 0, "")}},
       "b | a"},
      {"a record of an older version has no UID", {device("a", 1)}, {{"a", has("", 0, "")}}, "a |"},
      {"the runtime says no UID", {device("a", 1)}, {{"a", had("old", 1)}}, "a |", ""},
      {"a claim names its device itself", {of_claim("a", 1)}, {{"a", has("old", 1)}}, "a |"},
      {"a claim's certainty is no other's",
       {of_claim("a", 1), device("b", 0)},
       {{"b", had("old", 7, "before")}},
       "a b |"},
      {"a device twice is one", {device("a", 1), device("a", 1)}, {}, "a |"},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    CHECK(joined(select_own(row.listed, {kPod, row.uid, row.instance}, row.holders)) ==
          row.expected);
  }
}

TEST_CASE("plain ports are kept, each of them, and what is left out says why") {
  const std::vector<ListedDevice> listed = {
      {"", "", "shop/a", 0}, {"", "", "shop/b", 0}, device("a", 1)};
  const auto selection = select_own(listed, {kPod, "new", "now"}, {{"a", has("old", 1)}});
  CHECK(selection.own.size() == 2);
  REQUIRE(selection.left_out.size() == 1);
  CHECK(selection.left_out[0].why ==
        "is of an earlier pod shop/web-0 (uid old), which still has it");
}

}  // namespace
}  // namespace sluice::cni
