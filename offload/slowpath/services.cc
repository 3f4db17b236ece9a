// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/services.h"

#include <algorithm>
#include <vector>

namespace sluice::slowpath {
namespace {

std::uint64_t pack(Ipv4 ip, std::uint8_t proto, std::uint16_t port) {
  return static_cast<std::uint64_t>(ip.value) << 32U | static_cast<std::uint64_t>(port) << 16U |
         proto;
}

const model::Endpoint* heaviest(const model::ServicePort& port, std::uint64_t seed,
                                const auto& usable) {
  const model::Endpoint* best = nullptr;
  std::uint64_t best_weight = 0;
  for (const auto& endpoint : port.endpoints) {
    if (!usable(endpoint)) continue;
    const std::uint64_t weight = hash_combine(seed, pack(endpoint.ip, 0, endpoint.port));
    if (best == nullptr || weight > best_weight) {
      best = &endpoint;
      best_weight = weight;
    }
  }
  return best;
}

}  // namespace

ServiceIndex::ServiceIndex(model::IntentPtr intent)
    : intent_(std::move(intent)), self_(intent_->find_node(intent_->self)) {
  for (const auto& service : intent_->services) add(service);
  add_host_ports();
}

void ServiceIndex::add(const model::Service& service) {
  if (!service.cluster_ip.is_zero()) cluster_ips_.insert(service.cluster_ip);
  for (const auto& port : service.ports) {
    const ServiceRef ref{&service, &port};
    const auto proto = static_cast<std::uint8_t>(port.proto);
    by_address_.emplace(pack(service.cluster_ip, proto, port.port), ref);
    if (port.node_port != 0) by_node_port_.emplace(pack({}, proto, port.node_port), ref);
    add_endpoints(ref);
  }
}

void ServiceIndex::add_endpoints(const ServiceRef& ref) {
  const auto proto = static_cast<std::uint8_t>(ref.port->proto);
  by_key_.emplace(key_of(ref), ref);
  auto& serving = serving_[ref.port];
  for (const auto& endpoint : ref.port->endpoints) {
    endpoints_.insert(pack(endpoint.ip, proto, endpoint.port));
    if (endpoint.ready || endpoint.serving) serving.insert(pack(endpoint.ip, 0, endpoint.port));
  }
}

void ServiceIndex::add_host_ports() {
  for (const auto& pod : intent_->attachments) {
    if (pod.host_ports.empty()) continue;
    model::Service& service = host_ports_.emplace_back();
    service.name = "hostport/" + pod.pod;
    for (const auto& host_port : pod.host_ports) {
      model::ServicePort port;
      port.proto = host_port.proto;
      port.port = host_port.port;
      port.endpoints = {model::Endpoint{pod.ip, host_port.pod_port, intent_->self}};
      service.ports.push_back(std::move(port));
    }
    for (std::size_t i = 0; i < service.ports.size(); ++i) {
      const model::HostPort& host_port = pod.host_ports[i];
      const ServiceRef ref{&service, &service.ports[i]};
      const auto proto = static_cast<std::uint8_t>(host_port.proto);
      for (const Ipv4 own : {self_->address, self_->node0()}) {
        if (host_port.covers(own)) by_host_port_.emplace(pack(own, proto, host_port.port), ref);
      }
      add_endpoints(ref);
    }
  }
}

bool ServiceIndex::same_services(const model::Intent& a, const model::Intent& b) {
  const auto with_host_ports = [](const model::Intent& intent) {
    std::vector<const model::Attachment*> pods;
    for (const auto& pod : intent.attachments) {
      if (!pod.host_ports.empty()) pods.push_back(&pod);
    }
    return pods;
  };
  const auto pods_a = with_host_ports(a);
  const auto pods_b = with_host_ports(b);
  return a.services == b.services &&
         std::equal(pods_a.begin(), pods_a.end(), pods_b.begin(), pods_b.end(),
                    [](const auto* one, const auto* other) { return *one == *other; });
}

ServiceRef ServiceIndex::by_cluster_ip(Ipv4 ip, std::uint8_t proto, std::uint16_t port) const {
  const auto found = by_address_.find(pack(ip, proto, port));
  return found == by_address_.end() ? ServiceRef{} : found->second;
}

ServiceRef ServiceIndex::by_host_port(Ipv4 own, std::uint8_t proto, std::uint16_t port) const {
  const auto found = by_host_port_.find(pack(own, proto, port));
  return found == by_host_port_.end() ? ServiceRef{} : found->second;
}

ServiceRef ServiceIndex::by_node_port(std::uint8_t proto, std::uint16_t port) const {
  const auto found = by_node_port_.find(pack({}, proto, port));
  return found == by_node_port_.end() ? ServiceRef{} : found->second;
}

bool ServiceIndex::is_endpoint(Ipv4 ip, std::uint8_t proto, std::uint16_t port) const {
  return endpoints_.contains(pack(ip, proto, port));
}

bool ServiceIndex::serves(const ServiceRef& ref, Ipv4 ip, std::uint16_t port) const {
  const auto found = serving_.find(ref.port);
  return found != serving_.end() && found->second.contains(pack(ip, 0, port));
}

bool ServiceIndex::is_local(const model::Endpoint& endpoint) const {
  if (!endpoint.node.empty()) return endpoint.node == intent_->self;
  return endpoint.ip == self_->address || self_->pod_cidr.contains(endpoint.ip);
}

const model::Endpoint* ServiceIndex::choose(const ServiceRef& ref, model::TrafficPolicy policy,
                                            const Tuple& tuple) const {
  const std::uint64_t seed = hash_of(tuple);
  const auto in_scope = [&](const model::Endpoint& endpoint) {
    return policy == model::TrafficPolicy::kCluster || is_local(endpoint);
  };
  const auto* ready = heaviest(*ref.port, seed, [&](const model::Endpoint& endpoint) {
    return endpoint.ready && in_scope(endpoint);
  });
  if (ready != nullptr) return ready;
  return heaviest(*ref.port, seed, [&](const model::Endpoint& endpoint) {
    return endpoint.serving && endpoint.terminating && in_scope(endpoint);
  });
}

std::uint64_t ServiceIndex::key_of(const ServiceRef& ref) {
  const std::uint64_t where =
      static_cast<std::uint64_t>(ref.port->port) << 8U | static_cast<std::uint8_t>(ref.port->proto);
  return hash_combine(hash_bytes(ref.service->name), where) | 1U;  // 0 is none
}

std::string ServiceIndex::name_of(std::uint64_t key) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return "";
  return found->second.service->name + ":" + std::to_string(found->second.port->port);
}

}  // namespace sluice::slowpath
