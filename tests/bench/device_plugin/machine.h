// SPDX-License-Identifier: Apache-2.0
// The machine that is measured: one PF, p0, with VFs that are bound to vfio-pci; and a
// configuration that parts them into pools.
#pragma once

#include <memory>
#include <string>

#include "tests/support/fake_sysfs/fake_sysfs.h"

namespace sluice::bench {

inline constexpr const char* kPf = "0000:3b:00.0";

// What the kernel makes of vendor, device and class, and what the peer reads instead of them.
std::string modalias(const std::string& vendor, const std::string& device,
                     const std::string& class_code);

std::unique_ptr<testing::FakeSysfs> make_machine(const std::string& directory, unsigned vfs);
// intel.com/pool0 and so on, each with as many VFs as the others, as a resourceList.
std::string make_config(unsigned vfs, unsigned pools);

}  // namespace sluice::bench
