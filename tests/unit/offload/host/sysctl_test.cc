// SPDX-License-Identifier: Apache-2.0
#include "offload/host/sysctl.h"

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::host;

TEST_CASE("port lists are read, changed and written as the kernel does it") {
  for (const char* text : {"", "8080", "8080,9148", "1-65535", "0", "22,80-90,65535"}) {
    CAPTURE(text);
    const auto set = PortSet::parse(text);
    REQUIRE(set);
    CHECK(set->to_string() == text);
  }
  auto set = PortSet::parse("8080,61430-61450").value();
  set.add({61440, 65535});
  CHECK(set.to_string() == "8080,61430-65535");
  set.remove({61440, 65535});
  CHECK(set.to_string() == "8080,61430-61439");
  set.add({8081, 8081});
  CHECK(set.to_string() == "8080-8081,61430-61439");
}

TEST_CASE("what is no port list is refused") {
  for (const char* text : {"a", "1,", ",1", "1-", "5-4", "65536", "1 2", "-1", "1--2"}) {
    CAPTURE(text);
    CHECK_FALSE(PortSet::parse(text));
  }
}
