// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "common/nic/inventory.h"

using sluice::nic::PciAddress;

TEST_CASE("PCI addresses are read with and without domain, and written with it") {
  CHECK(PciAddress::parse("0000:3b:00.2")->to_string() == "0000:3b:00.2");
  CHECK(PciAddress::parse("3B:1f.7")->to_string() == "0000:3b:1f.7");
  CHECK(PciAddress::parse("10000:e1:00.0")->to_string() == "10000:e1:00.0");
  CHECK(PciAddress::parse("10000:e1:00.0")->domain == 0x10000);
  CHECK(*PciAddress::parse("0000:3b:00.2") < *PciAddress::parse("0000:3b:01.0"));
}

TEST_CASE("What is no PCI address is refused") {
  for (const char* text : {"", "0000:3b:00", "3b:00.8", "3b:20.0", "0000:3b:00.2 ", "000:3b:00.2",
                           "0000:3:00.2", "0000:3b:00.2.1", "123456789:00:00.0", "0000:3b:0g.2",
                           "../../etc", "0000:3b:00.", "+b:00.0"}) {
    INFO(text);
    CHECK_FALSE(PciAddress::parse(text));
  }
}
