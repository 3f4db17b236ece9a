// SPDX-License-Identifier: Apache-2.0
// Which ethdev is which port of an eswitch, by switch domain and representor.
#pragma once

#include <string>

#include "common/base/result.h"
#include "offload/backends/rteflow/translate.h"

namespace sluice::rteflow {

// `name`: the ethdev of any port of the eswitch; its transfer proxy becomes the uplink.
Result<EthPorts> find_ports(const std::string& name);

}  // namespace sluice::rteflow
