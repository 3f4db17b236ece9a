// SPDX-License-Identifier: Apache-2.0
// A Kubernetes manifest (YAML) as checked objects, and merged into what the engine's Intent needs.
//
// Contract: parse_manifest() takes several documents or Lists of Node, Pod, Service (v1) and
// EndpointSlice (discovery.k8s.io/v1). Field names and types are checked strictly; what is legal
// but not used or not supported is a Warning. A parsed manifest is consistent: merge() succeeds on
// it. Errors: Code::kInvalid of domain kConfig, naming document, object, the field's full path, the
// value and what is allowed. Source of the rules: kubernetes core/v1 and discovery/v1 API types and
// their validation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "offload/model/intent.h"

namespace sluice::sources {

inline constexpr std::size_t kMaxManifestBytes = std::size_t{16} << 20U;
inline constexpr std::size_t kMaxManifestObjects = 100'000;
inline constexpr std::size_t kMaxManifestDepth = 64;

using Labels = std::vector<std::pair<std::string, std::string>>;  // sorted by key

struct Warning {
  std::string object;   // "Service shop/web"
  std::string message;  // one clause
  bool operator==(const Warning&) const = default;
};

struct PodPort {
  std::string name;
  std::string protocol;  // TCP, UDP, SCTP
  std::uint16_t number = 0;
};

struct Pod {
  std::string name;  // "<namespace>/<name>"
  Labels labels;
  std::string node;  // "" while not scheduled
  bool host_network = false;
  std::vector<PodPort> ports;  // of all its containers
};

struct ManifestServicePort {
  std::string name;
  model::Proto proto = model::Proto::kTcp;
  std::uint16_t port = 0;
  std::uint16_t node_port = 0;  // 0: none
  bool supported = true;        // false: SCTP
};

struct ManifestService {
  std::string name;  // "<namespace>/<name>"
  Ipv4 cluster_ip;
  model::TrafficPolicy external_policy = model::TrafficPolicy::kCluster;
  model::TrafficPolicy internal_policy = model::TrafficPolicy::kCluster;
  Labels selector;
  std::vector<ManifestServicePort> ports;
};

struct SlicePort {
  std::string name;
  std::string protocol;
  std::uint16_t port = 0;
};

struct SliceEndpoint {
  Ipv4 ip;  // of several addresses the first, as kube-proxy does
  std::string node;
  bool ready = true;
  bool serving = true;
  bool terminating = false;
};

struct EndpointSlice {
  std::string name;     // "<namespace>/<name>"
  std::string service;  // "<namespace>/<name>", "" without the label
  std::vector<SlicePort> ports;
  std::vector<SliceEndpoint> endpoints;
};

struct Manifest {
  std::vector<model::Node> nodes;
  std::vector<Pod> pods;
  std::vector<ManifestService> services;      // without headless ones and ExternalName
  std::vector<std::string> skipped_services;  // those: their slices are no mistake
  std::vector<EndpointSlice> slices;
  std::vector<Warning> warnings;
};

Result<Manifest> parse_manifest(std::string_view yaml);

// What the engine takes over into its Intent; vectors sorted by their keys.
struct Cluster {
  std::vector<model::Node> nodes;
  std::vector<model::Service> services;
  std::vector<Warning> warnings;
};

// Puts the endpoints of all slices of a service to its ports, by the port's name.
Result<Cluster> merge(const Manifest& manifest);

}  // namespace sluice::sources
