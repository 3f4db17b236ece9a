// SPDX-License-Identifier: Apache-2.0
#include "offload/sources/yaml.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace sluice;
using namespace sluice::sources;
using nlohmann::json;

namespace {

constexpr YamlLimits kLimits{1000, 8, 100};

std::string error_of(std::string_view text, const YamlLimits& limits = kLimits) {
  const auto result = parse_yaml(text, limits);
  if (result) return "";
  CHECK(result.error().code == Code::kInvalid);
  return result.error().message;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("plain scalars by the core schema") {
  const struct {
    const char* text;
    json value;
  } table[] = {
      {"", nullptr},
      {"~", nullptr},
      {"null", nullptr},
      {"NULL", nullptr},
      {"nULL", "nULL"},
      {"true", true},
      {"False", false},
      {"TRUE", true},
      {"yes", "yes"},
      {"on", "on"},
      {"y", "y"},
      {"0", 0},
      {"-7", -7},
      {"+7", 7},
      {"010", 10},
      {"0o10", 8},
      {"0x1F", 31},
      {"0x", "0x"},
      {"0o9", "0o9"},
      {"1_000", "1_000"},
      {"1:30", "1:30"},
      {"10.0.0.1", "10.0.0.1"},
      {"10.244.1.0/24", "10.244.1.0/24"},
      {"1.5", 1.5},
      {".5", 0.5},
      {"1.", 1.0},
      {"1e3", 1000.0},
      {"-1.5E-1", -0.15},
      {".", "."},
      {"1e", "1e"},
      {"-", "-"},
      {"e3", "e3"},
      {".inf", ".inf"},
      {".nan", ".nan"},
      {"12abc", "12abc"},
      {"18446744073709551615", 18446744073709551615ULL},
  };
  for (const auto& row : table) {
    CAPTURE(row.text);
    const json value = resolve_plain_scalar(row.text);
    CHECK(value == row.value);
    CHECK(value.type() == (row.value.is_number_integer() && row.value >= 0
                               ? json::value_t::number_unsigned
                               : row.value.type()));
  }
  CHECK(
      resolve_plain_scalar("18446744073709551616").is_number_float());  // too large for an integer
}

TEST_CASE("quoted scalars are strings, and !!str makes one") {
  const auto docs = parse_yaml("{a: \"80\", b: '80', c: 80, d: !!str 80, e: \"\", f: }", kLimits);
  REQUIRE(docs);
  REQUIRE(docs->size() == 1);
  CHECK(docs->front() ==
        json{{"a", "80"}, {"b", "80"}, {"c", 80}, {"d", "80"}, {"e", ""}, {"f", nullptr}});
}

TEST_CASE("several documents, comments and empty ones") {
  const auto docs = parse_yaml("# nothing\n---\na: 1\n---\n---\n- x\n", kLimits);
  REQUIRE(docs);
  CHECK(docs->size() == 3);
  CHECK(docs->at(0) == json{{"a", 1}});
  CHECK(docs->at(1).is_null());
  CHECK(docs->at(2) == json::array({"x"}));
  const auto none = parse_yaml("", kLimits);
  REQUIRE(none);
  CHECK(none->empty());
}

TEST_CASE("aliases are copies, and count") {
  const auto docs = parse_yaml("a: &x {n: 1}\nb: *x\n", kLimits);
  REQUIRE(docs);
  CHECK(docs->front()["b"] == json{{"n", 1}});
  // A billion laughs.
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int j = 0; j < 8; ++j) bomb += "," + last;
    bomb += "]\n";
  }
  CHECK(contains(error_of(bomb), "more than 100 values"));
  CHECK(contains(error_of("a: &x [*x]"), "alias"));
  CHECK(contains(error_of("&x {a: {b: *x}}"), "alias"));
  CHECK(error_of("a: *nobody") != "");
  // An anchor ends with its document.
  CHECK(error_of("a: &x 1\n---\nb: *x\n") != "");
}

TEST_CASE("what is refused, with document and line") {
  CHECK(contains(error_of("a: 1\nb: 2\na: 3\n"), "document 1, line 3: the key 'a' is there twice"));
  CHECK(contains(error_of("ok: 1\n---\n1: x\n"), "document 2, line 3: the key 1 is not a string"));
  CHECK(contains(error_of("? [a]\n: x\n"), "a key must be a string"));
  CHECK(contains(error_of("a: !!binary aGk=\n"), "tag"));
  CHECK(contains(error_of("a: !mine {}\n"), "tag"));
  CHECK(contains(error_of("[[[[[[[[[1]]]]]]]]]"), "nested deeper than 8"));
  CHECK(contains(error_of("a: [1, 2"), "line"));
  CHECK(contains(error_of("a: b: c"), "line 1"));
  CHECK(contains(error_of("\t- a"), "line 1"));
  CHECK(contains(error_of(",:~\nb: 1\n"), "unexpected text"));  // would never end
  CHECK(contains(error_of("a: 1\n---\n, b\n"), "unexpected text"));
  CHECK(error_of("]") != "");
  CHECK(contains(error_of(std::string(1001, '#')), "1001 bytes, at most 1000"));
  std::string many = "[";
  for (int i = 0; i < 101; ++i) many += "1,";
  CHECK(contains(error_of(many + "1]"), "more than 100 values"));
}

TEST_CASE("very deep input ends in an error, not in the stack") {
  const YamlLimits wide{1'000'000, 64, 1000};
  CHECK(error_of(std::string(400'000, '['), wide) != "");
  CHECK(error_of(std::string(200'000, '{'), wide) != "");
  std::string indented;
  for (int i = 0; i < 600; ++i) indented += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  CHECK(error_of(indented, wide) != "");
}
