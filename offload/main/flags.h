// SPDX-License-Identifier: Apache-2.0
// The command line of sluice-offloadd.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/addr.h"
#include "common/base/log.h"

namespace sluice::offloadd {

struct Flags {
  std::string node;
  std::string manifest;
  std::string nic = "auto";  // "auto", "soft"
  std::string uplink = "eth0";
  std::uint16_t vfs = 8;
  std::string run_dir = "/run/sluice";
  std::string rep_netns = "/run/netns/sluice-representors";
  std::string bridge = "sluice0";
  std::uint32_t vni = 4711;
  std::string gateway_ip = "169.254.1.1";
  std::uint32_t rules = 65536;  // room for that many flows from the start
  bool remove_on_exit = false;
  bool hugepages = true;
  std::string log_level = "info";
  bool log_json = false;

  std::string socket() const { return run_dir + "/offload.sock"; }
  std::string pending_directory() const { return run_dir + "/pending"; }
};

// nullopt: the program ends now with `exit_code` (help, a bad flag; it has been said).
std::optional<Flags> parse_flags(int argc, char** argv, int& exit_code);

}  // namespace sluice::offloadd
