// SPDX-License-Identifier: Apache-2.0
// The Intent's services and hostPorts, indexed by what a packet carries, and the choice of an
// endpoint. A hostPort is a service of one endpoint: its pod.
//
// Contract: immutable; keeps its Intent alive, so a ServiceRef is good for as long.
// Source of rules that are not ours: kubernetes core/v1 Service, discovery/v1 EndpointSlice, and
// KEP-1669 (terminating endpoints serve when no ready one is left).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "offload/model/intent.h"
#include "offload/slowpath/connection.h"

namespace sluice::slowpath {

struct ServiceRef {
  const model::Service* service = nullptr;
  const model::ServicePort* port = nullptr;
  explicit operator bool() const { return port != nullptr; }
};

class ServiceIndex {
 public:
  explicit ServiceIndex(model::IntentPtr intent);
  ServiceIndex(const ServiceIndex&) = delete;
  ServiceIndex& operator=(const ServiceIndex&) = delete;

  bool is_cluster_ip(Ipv4 ip) const { return cluster_ips_.contains(ip); }
  ServiceRef by_cluster_ip(Ipv4 ip, std::uint8_t proto, std::uint16_t port) const;
  ServiceRef by_node_port(std::uint8_t proto, std::uint16_t port) const;
  // `own`: the node's own address or node0's.
  ServiceRef by_host_port(Ipv4 own, std::uint8_t proto, std::uint16_t port) const;
  // Whether an index of the other Intent would say the same.
  static bool same_services(const model::Intent& a, const model::Intent& b);
  // Of any service, in any condition.
  bool is_endpoint(Ipv4 ip, std::uint8_t proto, std::uint16_t port) const;
  // Whether it may still answer connections that it has (ready, or serving while it terminates).
  bool serves(const ServiceRef& ref, Ipv4 ip, std::uint16_t port) const;

  // Highest random weight over the usable endpoints; nullptr when there is none.
  const model::Endpoint* choose(const ServiceRef& ref, model::TrafficPolicy policy,
                                const Tuple& tuple) const;

  // "shop/web:80" of a key of this index; "" for a service that is gone.
  std::string name_of(std::uint64_t key) const;
  static std::uint64_t key_of(const ServiceRef& ref);

 private:
  void add(const model::Service& service);
  void add_endpoints(const ServiceRef& ref);
  void add_host_ports();
  bool is_local(const model::Endpoint& endpoint) const;

  model::IntentPtr intent_;
  const model::Node* self_;
  std::deque<model::Service> host_ports_;  // others point into it
  std::unordered_set<Ipv4> cluster_ips_;
  std::unordered_map<std::uint64_t, ServiceRef> by_address_;
  std::unordered_map<std::uint64_t, ServiceRef> by_node_port_;
  std::unordered_map<std::uint64_t, ServiceRef> by_host_port_;
  std::unordered_map<std::uint64_t, ServiceRef> by_key_;
  std::unordered_set<std::uint64_t> endpoints_;
  std::unordered_map<const model::ServicePort*, std::unordered_set<std::uint64_t>> serving_;
};

}  // namespace sluice::slowpath
