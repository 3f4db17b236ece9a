// SPDX-License-Identifier: Apache-2.0
// What the CNI plugin wants attached, read from its message.
//
// Contract: addresses, ports and protocols parse and texts are bounded; whether they fit this node
// is the engine's to say. host_ports are sorted, each once.
// Errors: Code::kInvalid, naming the field and its value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "offload/model/intent.h"

namespace sluice::api {
class AttachRequest;
}  // namespace sluice::api

namespace sluice::engine {

struct AttachSpec {
  std::string id, pod, interface;
  MacAddr mac;
  Ipv4 ip;
  std::string pci_address;  // exactly one of the two is set
  std::string veth;
  std::vector<model::HostPort> host_ports{};
};

Result<AttachSpec> read_attach_request(const api::AttachRequest& request);
Result<AttachSpec> parse_attach_request(std::string_view bytes);

}  // namespace sluice::engine
