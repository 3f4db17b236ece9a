// SPDX-License-Identifier: Apache-2.0
// All that a program says to the kubelet, as lines that can be compared.
#pragma once

#include <map>
#include <string>

#include "common/base/result.h"
#include "tests/bench/device_plugin/subject.h"

namespace sluice::bench {

// Keys: "runs"; "<resource> devices"; "<resource> numa <id>"; and for Allocate of a pool's first
// device and of its first two: "<resource> 1 env <NAME>", "<resource> 2 node <container path>",
// "<resource> 1 mount <container path>", "<resource> 1 refused"; and "<resource> devinfo <id>
// <JSON pointer>" of the device-info files then written. An *_INFO variable is one line for
// each of its values: "<resource> 1 env <NAME> <id> <provider> <key>".
using Answers = std::map<std::string, std::string>;

// Starts the program on the configuration and asks for everything.
Result<Answers> collect(Lab& lab, const std::string& config);

struct Difference {
  std::string where, ours, peer;  // "-": no such answer
};
std::vector<Difference> compare(const Answers& ours, const Answers& peer);

}  // namespace sluice::bench
