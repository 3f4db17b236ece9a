// SPDX-License-Identifier: Apache-2.0
// Where the broker finds and keeps things, and how patient it is.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "device-plugin/devinfo/devinfo.h"

namespace sluice::broker {

struct Settings {
  std::string sysfs_root = "/sys";
  std::string dev_root = "/dev";
  std::string proc_root = "/proc";
  std::string kubelet_dir = "/var/lib/kubelet";
  std::string config;                         // "": the default pool
  std::optional<std::string> default_prefix;  // unset: the configuration form's own
  bool use_cdi = false;                       // device nodes by CDI instead of in the answer
  std::string cdi_dir = "/var/run/cdi";
  std::string devinfo_dir = devinfo::kDefaultDirectory;
  std::string state_dir = "/var/lib/sluice";  // survives a reboot
  std::string run_dir = "/run/sluice";        // doesn't, as VF attributes don't
  Duration rescan = std::chrono::seconds(15);
  Duration down_after = std::chrono::seconds(2);
  Duration up_after = std::chrono::seconds(5);
};

}  // namespace sluice::broker
