// SPDX-License-Identifier: Apache-2.0
#include "offload/sources/schema.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace sluice::sources;
using nlohmann::json;

TEST_CASE("values in messages are short and on one line") {
  CHECK(printable(json("a\nb")) == "'a\\nb'");
  CHECK(printable(json(7)) == "7");
  CHECK(printable(json("\xff\xfe")).find('\xff') == std::string::npos);
  CHECK(printable(json(std::string(1000, 'x'))).size() < 80);
}
