// SPDX-License-Identifier: Apache-2.0
// `sluice-cni repair`: what GC does, for all networks at once and without a runtime, and more:
// strays, damaged records, files for an engine that never came.
//
// Contract: never touches a living attachment, and leaves alone what another call is at work on;
// may run at any time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"
#include "sriov-cni/attach/reclaim.h"
#include "sriov-cni/config/net_config.h"

namespace sluice::cni {

struct RepairOptions {
  bool dry_run = false, json = false, help = false;
  std::string state_dir = NetConfig{}.state_dir;
  std::string stats_file = NetConfig{}.stats_file;
  std::string engine_socket;  // besides those that are known here; "": none
  // Looked at besides the places that the engines have named.
  NicPlace place{NetConfig{}.sysfs_root, "", NetConfig{}.baseline_dir};
};

// `arguments`: behind "repair". Code::kInvalid names the argument and what is allowed.
Result<RepairOptions> parse_repair(const std::vector<std::string>& arguments);
std::string repair_help();

// Only a state directory that can't be opened is an Error; everything else is a finding.
Result<std::vector<Finding>> repair(const RepairOptions& options, const Logger& log);
// For people, or JSON.
std::string print_findings(const RepairOptions& options, const std::vector<Finding>& findings);

}  // namespace sluice::cni
