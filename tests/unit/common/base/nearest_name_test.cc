// SPDX-License-Identifier: Apache-2.0
#include "common/base/nearest_name.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace sluice {
namespace {

constexpr std::array<std::string_view, 5> kKnown = {"protocol", "port", "nodePort", "targetPort",
                                                    "name"};

TEST_CASE("the name that was probably meant") {
  CHECK(nearest_name("prots", kKnown) == "port");
  CHECK(nearest_name("prot", kKnown) == "protocol");      // an abbreviation
  CHECK(nearest_name("nodeprot", kKnown) == "nodePort");  // two neighbours swapped, another case
  CHECK(nearest_name("targetport", kKnown) == "targetPort");
}

TEST_CASE("no name is better than a wild guess") {
  CHECK(nearest_name("selector", kKnown) == std::nullopt);
  CHECK(nearest_name(std::string(100, 'p'), kKnown) == std::nullopt);
  CHECK(nearest_name("", kKnown) == std::nullopt);
  CHECK(nearest_name("port", {}) == std::nullopt);
}

}  // namespace
}  // namespace sluice
