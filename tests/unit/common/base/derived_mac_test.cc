// SPDX-License-Identifier: Apache-2.0
#include "common/base/derived_mac.h"

#include <doctest/doctest.h>

using namespace sluice;

TEST_CASE("a derived MAC is unicast, locally administered, and the hash's lowest 40 bits") {
  CHECK(derived_mac(0xffeeddccbbaa9988).to_string() == "02:88:99:aa:bb:cc");
  CHECK(derived_mac(0).to_string() == "02:00:00:00:00:00");
  CHECK_FALSE(derived_mac(~std::uint64_t{0}).is_multicast());
}
