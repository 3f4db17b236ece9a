// SPDX-License-Identifier: Apache-2.0
// A fake machine in a temporary directory, and its inventory.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "common/nic/inventory.h"
#include "tests/support/fake_sysfs/fake_sysfs.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::nic {

struct Machine {
  test::TempDir dir;
  testing::FakeSysfs sysfs{dir.path()};

  Inventory read() const {
    const auto root = os::Root::open(sysfs.path());
    REQUIRE(root);
    auto inventory = read_inventory(*root, {sysfs.dev_root()});
    REQUIRE(inventory);
    return *inventory;
  }

  // The only PF of a machine where nothing is broken.
  Pf pf() const {
    const auto inventory = read();
    CHECK(inventory.broken.empty());
    REQUIRE(inventory.pfs.size() == 1);
    return inventory.pfs[0];
  }
};

inline const Broken* find_broken(const Inventory& inventory, const std::string& device) {
  const auto found = std::find_if(inventory.broken.begin(), inventory.broken.end(),
                                  [&](const Broken& b) { return b.device == device; });
  return found == inventory.broken.end() ? nullptr : &*found;
}

inline bool says(const Broken* broken, const std::string& text) {
  return broken != nullptr && broken->reason.find(text) != std::string::npos;
}

inline PciAddress at(const char* address) { return *PciAddress::parse(address); }

}  // namespace sluice::nic
