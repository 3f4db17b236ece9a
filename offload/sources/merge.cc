// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "offload/sources/manifest.h"

namespace sluice::sources {
namespace {

using SlicesByService = std::map<std::string, std::vector<const EndpointSlice*>>;

std::string_view protocol_name(const ManifestServicePort& port) {
  if (!port.supported) return "SCTP";
  return port.proto == model::Proto::kUdp ? "UDP" : "TCP";
}

// A slice's port must be one of its service's: a name that matches nothing is a mistake of the
// writer.
Status check_slice_ports(const ManifestService& service, const EndpointSlice& slice) {
  for (std::size_t i = 0; i < slice.ports.size(); ++i) {
    const SlicePort& port = slice.ports[i];
    const bool known = std::any_of(service.ports.begin(), service.ports.end(), [&](const auto& p) {
      return p.name == port.name && protocol_name(p) == port.protocol;
    });
    if (known) continue;
    std::string allowed;
    for (const auto& p : service.ports) {
      allowed += (allowed.empty() ? "'" : ", '") + p.name + "' " + std::string(protocol_name(p));
    }
    return fail(Error{Code::kInvalid,
                      Domain::kConfig,
                      0,
                      "EndpointSlice " + slice.name + ": ports[" + std::to_string(i) + "].name '" +
                          port.name + "' " + port.protocol + " is no port of Service " +
                          service.name + ", must be one of " + allowed,
                      {},
                      Retry::kNever});
  }
  return {};
}

// Of one address and port in several slices (they overlap while endpoints move between slices)
// the better state counts.
void deduplicate(std::vector<model::Endpoint>& endpoints) {
  const auto rank = [](const model::Endpoint& e) {
    return std::tuple(e.ip, e.port, !e.ready, e.terminating, !e.serving, e.node);
  };
  std::sort(endpoints.begin(), endpoints.end(),
            [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  const auto same = [](const auto& a, const auto& b) { return a.ip == b.ip && a.port == b.port; };
  endpoints.erase(std::unique(endpoints.begin(), endpoints.end(), same), endpoints.end());
}

model::ServicePort merge_port(const ManifestServicePort& port,
                              const std::vector<const EndpointSlice*>& slices) {
  model::ServicePort out{port.name, port.proto, port.port, port.node_port, {}};
  for (const EndpointSlice* slice : slices) {
    for (const SlicePort& slice_port : slice->ports) {
      if (slice_port.name != port.name || slice_port.protocol != protocol_name(port)) continue;
      for (const SliceEndpoint& e : slice->endpoints) {
        out.endpoints.push_back({e.ip, slice_port.port, e.node, e.ready, e.serving, e.terminating});
      }
    }
  }
  deduplicate(out.endpoints);
  std::sort(out.endpoints.begin(), out.endpoints.end());
  return out;
}

Result<model::Service> merge_service(const ManifestService& service,
                                     const std::vector<const EndpointSlice*>& slices,
                                     std::vector<Warning>& warnings) {
  model::Service out{
      service.name, service.cluster_ip, service.external_policy, service.internal_policy, {}};
  bool any_endpoint = false;
  for (const EndpointSlice* slice : slices) {
    SLUICE_CHECK_OK(check_slice_ports(service, *slice));
    any_endpoint = any_endpoint || !slice->endpoints.empty();
  }
  for (std::size_t i = 0; i < service.ports.size(); ++i) {
    if (!service.ports[i].supported) continue;
    out.ports.push_back(merge_port(service.ports[i], slices));
    // Legal (no pod has that named port), and often a slip of the pen.
    if (any_endpoint && out.ports.back().endpoints.empty()) {
      warnings.push_back({"Service " + service.name,
                          "spec.ports[" + std::to_string(i) + "] '" + service.ports[i].name +
                              "' has no endpoint though the service has some"});
    }
  }
  std::sort(out.ports.begin(), out.ports.end(), [](const auto& a, const auto& b) {
    return std::tie(a.proto, a.port) < std::tie(b.proto, b.port);
  });
  return out;
}

}  // namespace

Result<Cluster> merge(const Manifest& manifest) {
  Cluster cluster;
  cluster.nodes = manifest.nodes;
  std::sort(cluster.nodes.begin(), cluster.nodes.end());

  std::unordered_set<std::string> known(manifest.skipped_services.begin(),
                                        manifest.skipped_services.end());
  for (const auto& service : manifest.services) known.insert(service.name);
  SlicesByService by_service;
  for (const auto& slice : manifest.slices) {
    if (slice.service.empty()) {
      cluster.warnings.push_back(
          {"EndpointSlice " + slice.name, "has no label kubernetes.io/service-name: ignored"});
    } else if (!known.contains(slice.service)) {
      cluster.warnings.push_back(
          {"EndpointSlice " + slice.name, "Service " + slice.service + " is unknown: ignored"});
    } else {
      by_service[slice.service].push_back(&slice);
    }
  }
  static const std::vector<const EndpointSlice*> kNone;  // immutable
  for (const auto& service : manifest.services) {
    const auto slices = by_service.find(service.name);
    SLUICE_TRY(auto merged,
               merge_service(service, slices == by_service.end() ? kNone : slices->second,
                             cluster.warnings));
    cluster.services.push_back(std::move(merged));
  }
  std::sort(cluster.services.begin(), cluster.services.end());
  return cluster;
}

}  // namespace sluice::sources
