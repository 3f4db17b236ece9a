// SPDX-License-Identifier: Apache-2.0
#include "offload/sources/schema.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace sluice::sources;
using nlohmann::json;

TEST_CASE("the nearest word") {
  const FieldSpec words[] = {{"protocol"}, {"port"}, {"targetPort"},
                             {"nodePort"}, {"name"}, {"appProtocol"}};
  CHECK(nearest("prot", words) == "protocol");
  CHECK(nearest("potr", words) == "port");
  CHECK(nearest("nodeport", words) == "nodePort");
  CHECK(nearest("TargetPort", words) == "targetPort");
  CHECK(nearest("nmae", words) == "name");
  CHECK(nearest("zzzzzzzzzz", words) == "");
  CHECK(nearest(std::string(10'000, 'a'), words) == "");
  CHECK(nearest("", words) == "");
}

TEST_CASE("values in messages are short and on one line") {
  CHECK(printable(json("a\nb")) == "'a\\nb'");
  CHECK(printable(json(7)) == "7");
  CHECK(printable(json("\xff\xfe")).find('\xff') == std::string::npos);
  CHECK(printable(json(std::string(1000, 'x'))).size() < 80);
}
