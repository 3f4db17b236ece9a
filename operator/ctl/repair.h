// SPDX-License-Identifier: Apache-2.0
// `sluicectl repair`: sluice-cni does it, with the code of its verb GC.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"

namespace sluice::ctl {

// The program: `named` if that isn't empty, else the first of `folders` that has a sluice-cni.
Result<std::string> find_cni(const std::string& named, const std::vector<std::string>& folders);
// Where sluice-cni is looked for: beside this program, and where runtimes look.
std::vector<std::string> cni_folders();

// Becomes `<program> repair <arguments>`; returns only when that can't be started.
Error exec_repair(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace sluice::ctl
