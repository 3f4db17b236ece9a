// SPDX-License-Identifier: Apache-2.0
// Whether a pod may have its hostPorts: pure functions.
//
// Contract: a port belongs to whoever had it first. A NodePort that comes later than a hostPort
// does not get it on this node; node_ports_taken() says so.
// Errors: Code::kInvalid for what can never be, Code::kExists for what another one has; the message
// names both.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "offload/engine/intent_builder.h"
#include "offload/model/intent.h"

namespace sluice::engine {

struct Holders {
  const std::vector<model::Attachment>& attachments;
  const std::vector<model::Service>& services;
};

// An attachment is not in its own way.
Status check_host_ports(const model::Attachment& attachment, const model::Node& self,
                        const NodeSettings& settings, const Holders& holders);

// One sentence for each NodePort that a hostPort keeps from this node.
std::vector<std::string> node_ports_taken(const model::Node& self, const Holders& holders);

}  // namespace sluice::engine
