// SPDX-License-Identifier: Apache-2.0
#include "common/kube/json.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace sluice::kube {
namespace {

std::string nested(std::size_t levels, const std::string& inner = "") {
  std::string out;
  for (std::size_t i = 0; i < levels; ++i) out += i % 2 == 0 ? "[" : "{\"a\":";
  out += levels % 2 == 0 && inner.empty() ? "1" : inner;
  for (std::size_t i = levels; i > 0; --i) out += i % 2 == 1 ? "]" : "}";
  return out;
}

}  // namespace

TEST_CASE("json: the last depth that is taken, the first that isn't") {
  for (const std::size_t levels : {1U, 2U, 99U, 100U}) {
    CAPTURE(levels);
    const auto parsed = parse_json(nested(levels));
    REQUIRE(!parsed.is_discarded());
    CHECK(parsed.dump() == nested(levels));
  }
  for (const std::size_t levels : {101U, 102U, 1000000U}) {
    CAPTURE(levels);
    CHECK(parse_json(nested(levels)).is_discarded());
  }
  CHECK(parse_json(std::string(1000000, '[')).is_discarded());
}

TEST_CASE("json: brackets beside one another, and in strings, are no depth") {
  std::string wide = "[";
  for (int i = 0; i < 300; ++i) wide += "[{}],";
  CHECK(parse_json(wide + "0]").size() == 301);
  const std::string brackets(300, '[');
  for (const auto& text :
       {"\"" + brackets + "\"", R"("\\\"[[)" + brackets + "\"", "{\"" + brackets + R"(\\":"{"})"}) {
    CAPTURE(text);
    CHECK(!parse_json(text).is_discarded());
  }
  // A quote that is none of a string's end must not hide what follows.
  CHECK(parse_json(R"(["\"",)" + nested(150) + "]").is_discarded());
  CHECK(nests_too_deep(R"(["\"",)" + nested(150) + "]"));
  CHECK(nests_too_deep(R"(["\\",)" + nested(150) + "]"));
}

TEST_CASE("json: what is none is discarded") {
  for (const char* text : {"", "]", "}}}[", "\"", "\"\\", "{\"a\":"}) {
    CAPTURE(text);
    CHECK(parse_json(text).is_discarded());
  }
}

}  // namespace sluice::kube
