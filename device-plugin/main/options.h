// SPDX-License-Identifier: Apache-2.0
// The program's flags, each also an environment variable SLUICE_<FLAG>.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "device-plugin/broker/settings.h"

namespace sluice::plugin {

struct Options {
  broker::Settings broker;
  std::string registration = "auto";  // auto, register, watcher
  std::string dra = "auto";           // auto, on, off
  std::string node;                   // "": the host's name
  std::string kubeconfig;
  std::string metrics_address;  // "127.0.0.1:9102"; "": none
  std::string cni_stats_file = "/run/sluice/cni-stats";
  bool check_config = false;
  std::string inventory;  // a saved one, for --check-config
  std::string save_inventory;
  std::string log_level = "info";
  bool log_json = false;
};

// The options, or the exit status of a command line that is no run (--help, a wrong flag).
struct Parsed {
  Options options;
  std::optional<int> exit;
};
Parsed parse_options(int argc, char** argv);

}  // namespace sluice::plugin
