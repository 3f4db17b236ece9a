// SPDX-License-Identifier: Apache-2.0
// IPAM plugins of others, run as the CNI specification wants.
//
// Contract: found by name in the absolute folders of CNI_PATH; has the configuration on stdin, the
// call's CNI_* variables, PATH and the trace context in its environment, and nothing else. What a
// failed ADD, or one without an address, has reserved is left to the caller's del().
// Errors: a plugin's error object keeps its code; its message is followed by its details.
// Source: CNI SPEC 1.1.0 sections 4 "Plugin Delegation" and 5 "Error".
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "sriov-cni/ipam/ipam.h"

namespace sluice::cni {

// What a plugin says on its stderr.
using PluginTalk = std::function<void(std::string_view text)>;

void talk_to_stderr(std::string_view text);

// The program; none: Code::kNotFound. `folders`: CNI_PATH.
Result<std::string> find_plugin(const std::string& type, std::string_view folders);

Result<std::unique_ptr<Ipam>> make_delegate(const IpamSource& source, Duration deadline,
                                            PluginTalk talk = talk_to_stderr);

}  // namespace sluice::cni
