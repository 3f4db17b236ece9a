// SPDX-License-Identifier: Apache-2.0
// The rules of each stage, object by object. Each function appends to `out`.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "offload/model/rule.h"
#include "offload/planner/facts.h"

namespace sluice::planner {

using Rules = std::vector<model::Rule>;

inline Prefix4 host_prefix(Ipv4 ip) { return Prefix4{ip, 32}; }
inline model::Masked<std::uint16_t> exact(std::uint16_t port) { return {port, 0xffff}; }
// The masquerade block as one masked port: it is a power of two in size and aligned to it.
inline model::Masked<std::uint16_t> block(const model::PortRange& range) {
  return {range.first, static_cast<std::uint16_t>(~(range.last - range.first))};
}

// Collects rules of one stage for one owner, and spares the callers the repetition.
class RuleWriter {
 public:
  RuleWriter(Rules& out, model::Stage stage, std::string owner)
      : out_(out), stage_(stage), owner_(std::move(owner)) {}

  void add(std::uint16_t priority, model::Match match, std::vector<model::Action> actions,
           std::string why) {
    out_.push_back(model::Rule{stage_, priority, std::move(match), std::move(actions), owner_,
                               std::move(why)});
  }

 private:
  Rules& out_;
  model::Stage stage_;
  std::string owner_;
};

// ingress.cc
void ingress_basics(const Frame& frame, Rules& out);
void ingress_pod(const PodFact& pod, Rules& out);
void ingress_service(const ServiceFact& service, Rules& out);
void ingress_node_block(const NodeBlockFact& node, Rules& out);
void ingress_node_port(const Frame& frame, const NodePortFact& port, Rules& out);
void ingress_host_port(const Frame& frame, const HostPortFact& fact, Rules& out);

// trap.cc (with the connection stage's one planned rule)
void trap_basics(const Frame& frame, Rules& out);
void trap_service(const ServiceFact& service, Rules& out);
void trap_node_port(const Frame& frame, const NodePortFact& port, Rules& out);
void trap_host_port(const Frame& frame, const HostPortFact& fact, Rules& out);
void trap_endpoint(const Frame& frame, const EndpointFact& endpoint, Rules& out);

// forward.cc
void forward_basics(const Frame& frame, Rules& out);
void forward_pod(const Frame& frame, const PodFact& pod, Rules& out);
void forward_remote_node(const Frame& frame, const RemoteNodeFact& node, Rules& out);
void forward_next_hop(const Frame& frame, const NextHopFact& hop, Rules& out);

}  // namespace sluice::planner
