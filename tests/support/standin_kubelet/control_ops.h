// SPDX-License-Identifier: Apache-2.0
// One line of the control socket: JSON in, JSON out. See README.md.
#pragma once

#include <string>
#include <string_view>

#include "tests/support/standin_kubelet/kubelet.h"

namespace sluice::standin {

std::string answer(Kubelet& kubelet, std::string_view line);

}  // namespace sluice::standin
