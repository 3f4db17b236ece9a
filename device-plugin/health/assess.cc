// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "device-plugin/health/health.h"

namespace sluice::health {
namespace {

using pools::Candidate;

std::optional<std::string> carrier_problem(const Candidate& candidate) {
  // A port that is offered as a whole is down until somebody has it: that says nothing.
  if (candidate.kind != Candidate::Kind::kVf && candidate.kind != Candidate::Kind::kSf) {
    return std::nullopt;
  }
  const nic::Pf* pf = candidate.pf;
  if (pf == nullptr || !pf->netdev || pf->netdev->carrier) return std::nullopt;
  // Two ports on one function: either may be the device's.
  const auto& more = pf->more_netdevs;
  const auto up = [](const nic::Netdev& netdev) { return netdev.carrier; };
  if (std::any_of(more.begin(), more.end(), up)) return std::nullopt;
  return "PF " + pf->netdev->name + " has no carrier";
}

// RoCE: the kernel calls a port down when the device's own netdev isn't up. In the host nobody
// brings that up, and in a pod it is the pod's business; only one that is up tells of the port.
bool state_counts(const nic::RdmaDevice::Port& port, const std::optional<nic::Netdev>& netdev) {
  if (port.state.empty()) return false;
  return port.link_layer != "Ethernet" || (netdev && netdev->carrier);
}

std::optional<std::string> rdma_problem(const Candidate& candidate) {
  std::optional<std::string> problem;
  for (const auto& device : candidate.rdma()) {
    for (const auto& port : device.ports) {
      if (!state_counts(port, candidate.netdev())) continue;
      if (port.state == "ACTIVE") return std::nullopt;
      if (problem) continue;
      problem =
          "RDMA port " + device.name + "/" + std::to_string(port.number) + " is " + port.state;
    }
  }
  return problem;
}

}  // namespace

std::optional<std::string> assess(const Candidate& candidate, const config::HealthPolicy& policy) {
  if (!policy.enabled) return std::nullopt;
  if (policy.driver && candidate.driver().empty()) return "no driver is bound";
  if (policy.carrier) {
    if (auto problem = carrier_problem(candidate)) return problem;
  }
  if (policy.rdma) {
    if (auto problem = rdma_problem(candidate)) return problem;
  }
  return std::nullopt;
}

}  // namespace sluice::health
