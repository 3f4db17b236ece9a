// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/selection.h"

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sluice::cni {
namespace {

constexpr const char* kPod = "shop/web-0";
// As the API server names what a template makes for pods of that name.
constexpr const char* kOldClaim = "shop/web-0-net-x7k2p";
constexpr const char* kNewClaim = "shop/web-0-net-q9d3z";
const std::string kLong(100, 'p');

ListedDevice device(const std::string& id, std::uint64_t given,
                    const std::string& resource = "sluice.dev/vf") {
  return {id, resource, "", given};
}

ListedDevice of_claim(const std::string& id, std::uint64_t given,
                      const std::string& claim = "shop/net") {
  return {id, "sluice.dev/vf", claim, given};
}

// Three ages of a predecessor's use: now, a moment ago, long ago.
Holder has(const std::string& uid, std::uint64_t given, const std::string& by = "now",
           std::optional<std::string> claim = "") {
  return {kPod, uid, true, given, by, std::move(claim), false};
}

Holder had(const std::string& uid, std::uint64_t given, const std::string& by = "now",
           std::optional<std::string> claim = "") {
  return {kPod, uid, false, given, by, std::move(claim), false};
}

Holder once_had(const std::string& uid, std::uint64_t given, const std::string& by = "now",
                std::optional<std::string> claim = "") {
  return {kPod, uid, false, given, by, std::move(claim), true};
}

std::string joined(const Selection& selection) {
  std::string out;
  for (const auto& own : selection.own) out += (out.empty() ? "" : " ") + own.id;
  out += " |";
  for (const auto& left : selection.left_out) out += " " + left.id;
  if (!selection.doubtful.empty()) out += " ?";
  for (const auto& doubt : selection.doubtful) out += " " + doubt.id;
  return out;
}

TEST_CASE("which of the listed devices are this pod's") {
  struct Row {
    const char* what;
    std::vector<ListedDevice> listed;
    std::map<std::string, Holder> holders;
    const char* expected;  // "<own> | <left out> ? <doubtful>"
    std::string uid = "new";
    std::string instance = "now";
    std::string pod = kPod;
  };
  const std::vector<Row> rows = {
      {"nothing", {}, {}, " |"},
      {"nobody had them", {device("a", 1), device("b", 2)}, {}, "a b |"},
      {"another pod's name means nothing: the kubelet knows",
       {device("a", 0)},
       {{"a", {"shop/db", "old", false, 1, "now", "", false}}},
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
      {"nobody knows, and another is certain: nobody goes on with too few",
       {device("a", 0), device("b", 1)},
       {{"a", had("old", 7, "before")}},
       "b | ? a"},
      {"the same when the kubelet still lists it long after: it is this pod's",
       {device("a", 0), device("b", 0)},
       {{"a", once_had("old", 7, "before")}},
       "a b |"},
      {"nobody knows, and nothing is certain: no veth instead",
       {device("a", 0)},
       {{"a", had("old", 7, "before")}},
       " | ? a"},
      {"nobody knows of either",
       {device("a", 0), device("b", 0)},
       {{"a", had("old", 7, "before")}, {"b", once_had("old", 8, "before")}},
       "b | ? a"},
      {"certain in another resource says nothing",
       {device("a", 0), device("b", 1, "sluice.dev/storage")},
       {{"a", had("old", 7, "before")}},
       "b | ? a"},
      {"nobody knows, and the old sandbox has it: no veth instead",
       {device("a", 0)},
       {{"a", has("old", 7, "before")}},
       " | ? a"},
      {"nobody knows, and the old sandbox has it; another is certain",
       {device("a", 0), device("b", 1)},
       {{"a", has("old", 7, "before")}},
       "b | ? a"},
      {"long ago, and for certain not given again",
       {device("a", 1)},
       {{"a", once_had("old", 1)}},
       " | a"},
      {"the plugin had no part in it, and the sandbox is gone",
       {device("a", 1), device("b", 2)},
       {{"a", had("old", 0, "", std::nullopt)}},
       "a b |"},
      {"the plugin had no part in it, and it lives",
       {device("a", 1), device("b", 2)},
       {{"a", has("old", 0, "", std::nullopt)}},
       "b | ? a"},
      {"a record of an older version has no UID", {device("a", 1)}, {{"a", has("", 0, "")}}, "a |"},
      {"the runtime says no UID", {device("a", 1)}, {{"a", had("old", 1)}}, "a |", ""},
      {"a claim that people named is shared, and waited for",
       {of_claim("a", 1)},
       {{"a", has("old", 1, "now", "shop/net")}},
       "a |"},
      {"a claim's certainty is no other's",
       {of_claim("a", 1), device("b", 0)},
       {{"b", had("old", 7, "before")}},
       "a | ? b"},
      {"the template's claim of each: the predecessor's is its own",
       {of_claim("a", 1, kOldClaim), of_claim("b", 2, kNewClaim)},
       {{"a", has("old", 1, "now", kOldClaim)}},
       "b | a"},
      {"the same over a restart of the plugin, after the end, in the other order",
       {of_claim("b", 0, kNewClaim), of_claim("a", 0, kOldClaim)},
       {{"a", had("old", 1, "before", kOldClaim)}},
       "b | a"},
      {"another template's claim proves nothing",
       {of_claim("a", 1, kOldClaim), of_claim("b", 2, "shop/web-0-san-q9d3z")},
       {{"a", had("old", 1, "now", kOldClaim)}},
       "b | ? a"},
      {"the predecessor's claim alone, which lives",
       {of_claim("a", 1, kOldClaim)},
       {{"a", has("old", 1, "now", kOldClaim)}},
       " | ? a"},
      {"the predecessor's claim alone, long after: somebody named it like that, and shares it",
       {of_claim("a", 1, kOldClaim)},
       {{"a", once_had("old", 1, "now", kOldClaim)}},
       "a |"},
      {"a claim prepared again",
       {of_claim("a", 2, kOldClaim)},
       {{"a", had("old", 1, "now", kOldClaim)}},
       "a |"},
      {"the predecessor's device went to this pod's claim: given since, whatever the number",
       {of_claim("a", 0, kNewClaim)},
       {{"a", had("old", 7, "before", kOldClaim)}},
       "a |"},
      {"had for a claim, now given by the device plugin API",
       {device("a", 0)},
       {{"a", had("old", 7, "before", kOldClaim)}},
       "a |"},
      {"a record of an older version says nothing of a claim",
       {device("a", 0)},
       {{"a", had("old", 7, "before", std::nullopt)}},
       " | ? a"},
      {"listed for both pods' claims: the better proof counts, in its place",
       {of_claim("a", 0, kOldClaim), device("b", 1), of_claim("a", 0, kNewClaim)},
       {{"a", had("old", 7, "before", kOldClaim)}},
       "a b |"},
      {"a long pod name, cut in the claim's as the API server does",
       {of_claim("a", 1, "shop/" + kLong.substr(0, 58) + "x7k2p"),
        of_claim("b", 2, "shop/" + kLong.substr(0, 58) + "q9d3z")},
       {{"a",
         {"shop/" + kLong, "old", true, 1, "now", "shop/" + kLong.substr(0, 58) + "x7k2p", false}}},
       "b | a",
       "new",
       "now",
       "shop/" + kLong},
      {"a device twice is one", {device("a", 1), device("a", 1)}, {}, "a |"},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    CHECK(joined(select_own(row.listed, {row.pod, row.uid, row.instance}, row.holders)) ==
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

TEST_CASE("what is doubtful says why") {
  const auto selection =
      select_own({device("a", 0)}, {kPod, "new", "now"}, {{"a", has("old", 7, "before")}});
  REQUIRE(selection.doubtful.size() == 1);
  CHECK(selection.doubtful[0].why ==
        "may be of an earlier pod shop/web-0 (uid old), which still has it");
}

}  // namespace
}  // namespace sluice::cni
