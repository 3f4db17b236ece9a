// SPDX-License-Identifier: Apache-2.0
#include "common/base/first_error.h"

#include <doctest/doctest.h>

using namespace sluice;

TEST_CASE("The first failure stays, whatever comes behind it") {
  FirstError first;
  first.keep({});
  CHECK(first.ok());
  first.keep(fail(Code::kNotFound, "one"));
  first.keep(fail(Code::kInvalid, "two"));
  first.keep({});
  CHECK_FALSE(first.ok());
  const auto status = std::move(first).take();
  REQUIRE_FALSE(status);
  CHECK(status.error().message == "one");
  CHECK(FirstError().ok());
}
