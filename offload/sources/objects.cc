// SPDX-License-Identifier: Apache-2.0
#include "offload/sources/objects.h"

#include <algorithm>
#include <initializer_list>

#include <nlohmann/json.hpp>

#include "offload/sources/schema.h"

namespace sluice::sources {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxName = 253;        // RFC 1123 subdomain
constexpr std::size_t kMaxEndpoints = 1000;  // a slice, discovery/v1
constexpr std::size_t kMaxPorts = 20'000;    // a slice, discovery/v1; also our bound for a service
constexpr std::string_view kServiceLabel = "kubernetes.io/service-name";
constexpr std::string_view kProxyLabel = "service.kubernetes.io/service-proxy-name";

tl::unexpected<Error> invalid(std::string message) {
  return fail(Error{Code::kInvalid, Domain::kConfig, 0, std::move(message), {}, Retry::kNever});
}

// Access to checked fields: absent and null look the same.
const json* get(const json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(std::string(name));
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

const json& child(const json& object, std::string_view name) {
  static const json kAbsent;  // immutable
  const json* value = get(object, name);
  return value == nullptr ? kAbsent : *value;
}

std::string text(const json& object, std::string_view name) {
  const json* value = get(object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

bool truth(const json& object, std::string_view name, bool otherwise) {
  const json* value = get(object, name);
  return value == nullptr ? otherwise : value->get<bool>();
}

std::uint16_t number(const json& object, std::string_view name) {
  const json* value = get(object, name);
  return value == nullptr ? std::uint16_t{0} : value->get<std::uint16_t>();
}

Labels labels_of(const json& map) {
  Labels labels;
  if (!map.is_object()) return labels;
  for (const auto& [key, value] : map.items()) labels.emplace_back(key, value.get<std::string>());
  std::sort(labels.begin(), labels.end());
  return labels;
}

bool is_dns_label(std::string_view label) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (label.empty() || !alphanumeric(label.front()) || !alphanumeric(label.back())) return false;
  return std::all_of(label.begin(), label.end(),
                     [&](char c) { return alphanumeric(c) || c == '-'; });
}

bool is_dns_name(std::string_view name) {
  if (name.size() > kMaxName) return false;
  for (;;) {
    const std::size_t dot = name.find('.');
    if (!is_dns_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

Status check_name(const std::string& name, std::string_view path) {
  if (is_dns_name(name)) return {};
  return invalid(std::string(path) + " is " + printable(json(name)) +
                 ", must be lower case letters, digits, '-' and '.', at most 253");
}

// One of a field's allowed words; absent gives the first.
Result<std::string> word(const json& object, std::string_view name, const std::string& path,
                         std::initializer_list<std::string_view> allowed) {
  const json* value = get(object, name);
  if (value == nullptr) return std::string(*allowed.begin());
  const auto given = value->get<std::string>();
  if (std::find(allowed.begin(), allowed.end(), given) != allowed.end()) return given;
  std::string list;
  for (const auto option : allowed) list += (list.empty() ? "" : ", ") + std::string(option);
  return invalid(path + " is " + printable(*value) + ", must be one of " + list);
}

Result<Ipv4> address(const json& value, const std::string& path) {
  auto ip = Ipv4::parse(value.get<std::string>());
  if (ip) return *ip;
  return invalid(path + " is " + printable(value) + ", must be an IPv4 address");
}

// What no endpoint and no cluster IP may be: it would reach into the node, or everybody at once.
Status check_unicast(Ipv4 ip, const std::string& path) {
  const std::uint32_t first = ip.value >> 24U;
  const bool link_local = ip.value >> 16U == 0xa9fe;  // 169.254/16, RFC 3927
  if (first != 0 && first != 127 && first < 224 && !link_local) return {};
  return invalid(path + " is " + ip.to_string() +
                 ", must not be unspecified, loopback, link-local, multicast or broadcast");
}

Result<std::string> namespaced_name(const json& object) {
  const json& metadata = child(object, "metadata");
  std::string space = text(metadata, "namespace");
  if (space.empty()) space = "default";
  const std::string name = text(metadata, "name");
  SLUICE_CHECK_OK(check_name(name, "metadata.name"));
  SLUICE_CHECK_OK(check_name(space, "metadata.namespace"));
  return space + "/" + name;
}

Status read_node(const json& object, Manifest& out) {
  SLUICE_CHECK_OK(check_fields(object, kNodeSchema, ""));
  model::Node node;
  node.name = text(child(object, "metadata"), "name");
  SLUICE_CHECK_OK(check_name(node.name, "metadata.name"));
  const json& spec = child(object, "spec");
  const json* cidr = get(spec, "podCIDR");
  if (cidr == nullptr)
    return invalid(
        "spec.podCIDR is missing: the node's block of pod addresses, e.g. 10.244.1.0/24");
  const auto prefix = Prefix4::parse(cidr->get<std::string>());
  // /30: the network's own address, the node's, and one pod's at least.
  if (!prefix || prefix->length < 8 || prefix->length > 30) {
    return invalid("spec.podCIDR is " + printable(*cidr) +
                   ", must be an IPv4 prefix of length 8 to 30 without host bits");
  }
  SLUICE_CHECK_OK(check_unicast(prefix->address, "spec.podCIDR"));
  node.pod_cidr = *prefix;
  const json& addresses = child(child(object, "status"), "addresses");
  for (std::size_t i = 0; i < addresses.size() && node.address.is_zero(); ++i) {
    if (text(addresses[i], "type") != "InternalIP") continue;
    const std::string path = "status.addresses[" + std::to_string(i) + "].address";
    const json* value = get(addresses[i], "address");
    if (value == nullptr) return invalid(path + " is missing");
    if (value->get<std::string>().find(':') != std::string::npos) continue;  // dual-stack: IPv6
    SLUICE_TRY(node.address, address(*value, path));
    SLUICE_CHECK_OK(check_unicast(node.address, path));
  }
  if (node.address.is_zero()) {
    return invalid("status.addresses has no entry of type InternalIP with an IPv4 address");
  }
  if (node.pod_cidr.contains(node.address)) {
    return invalid("status.addresses: the InternalIP " + node.address.to_string() +
                   " lies in the node's own pod block " + node.pod_cidr.to_string());
  }
  out.nodes.push_back(std::move(node));
  return {};
}

Status read_containers(const json& spec, Pod& pod) {
  const json& containers = child(spec, "containers");
  if (!containers.is_array() || containers.empty())
    return invalid("spec.containers is empty, must have at least one container");
  for (std::size_t i = 0; i < containers.size(); ++i) {
    const std::string path = "spec.containers[" + std::to_string(i) + "]";
    SLUICE_CHECK_OK(check_name(text(containers[i], "name"), path + ".name"));
    const json& ports = child(containers[i], "ports");
    for (std::size_t j = 0; j < ports.size(); ++j) {
      const std::string port_path = path + ".ports[" + std::to_string(j) + "]";
      PodPort port;
      port.name = text(ports[j], "name");
      SLUICE_TRY(port.protocol,
                 word(ports[j], "protocol", port_path + ".protocol", {"TCP", "UDP", "SCTP"}));
      port.number = number(ports[j], "containerPort");
      if (port.number == 0) return invalid(port_path + ".containerPort is missing");
      pod.ports.push_back(std::move(port));
    }
  }
  return {};
}

Status read_pod(const json& object, Manifest& out) {
  SLUICE_CHECK_OK(check_fields(object, kPodSchema, ""));
  Pod pod;
  SLUICE_TRY(pod.name, namespaced_name(object));
  pod.labels = labels_of(child(child(object, "metadata"), "labels"));
  const json& spec = child(object, "spec");
  pod.node = text(spec, "nodeName");
  pod.host_network = truth(spec, "hostNetwork", false);
  SLUICE_CHECK_OK(read_containers(spec, pod));
  out.pods.push_back(std::move(pod));
  return {};
}

Status read_service_ports(const json& spec, ManifestService& service, Manifest& out) {
  const json& ports = child(spec, "ports");
  if (!ports.is_array() || ports.empty())
    return invalid("spec.ports is empty, must have at least one port");
  if (ports.size() > kMaxPorts)
    return invalid("spec.ports has " + std::to_string(ports.size()) + " entries, at most " +
                   std::to_string(kMaxPorts) + " are allowed");
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const std::string path = "spec.ports[" + std::to_string(i) + "]";
    ManifestServicePort port;
    port.name = text(ports[i], "name");
    SLUICE_TRY(const std::string protocol,
               word(ports[i], "protocol", path + ".protocol", {"TCP", "UDP", "SCTP"}));
    port.proto = protocol == "UDP" ? model::Proto::kUdp : model::Proto::kTcp;
    port.supported = protocol != "SCTP";
    if (!port.supported) {
      out.warnings.push_back({"Service " + service.name,
                              path + ".protocol SCTP is unsupported: this port is not served"});
    }
    port.port = number(ports[i], "port");
    if (port.port == 0) return invalid(path + ".port is missing");
    port.node_port = number(ports[i], "nodePort");
    if (port.name.empty() && ports.size() > 1)
      return invalid(path + ".name is missing: with several ports each needs one");
    service.ports.push_back(std::move(port));
  }
  return {};
}

void warn_unused(const json& object, const std::string& name, Manifest& out) {
  const json& spec = child(object, "spec");
  const auto warn = [&](std::string message) {
    out.warnings.push_back({"Service " + name, std::move(message)});
  };
  if (text(spec, "sessionAffinity") == "ClientIP")
    warn("spec.sessionAffinity ClientIP is unsupported: treated as None");
  for (const char* field : {"externalIPs", "loadBalancerSourceRanges", "trafficDistribution"}) {
    const json* value = get(spec, field);
    if (value != nullptr && !value->empty())
      warn(std::string("spec.") + field + " is unsupported: ignored");
  }
  if (text(spec, "type") == "LoadBalancer")
    warn("spec.type LoadBalancer: only the cluster IP and the node ports are served");
}

// The IPv4 cluster IP, or nothing when the service is IPv6 only.
Result<std::optional<Ipv4>> read_cluster_ip(const json& spec) {
  const json& list = child(spec, "clusterIPs");
  const json* single = get(spec, "clusterIP");
  if (single != nullptr && list.is_array() && !list.empty() && list[0] != *single) {
    return invalid("spec.clusterIPs[0] is " + printable(list[0]) +
                   ", must be the same as spec.clusterIP, " + printable(*single));
  }
  std::vector<std::pair<std::string, json>> candidates;
  if (single != nullptr) candidates.emplace_back("spec.clusterIP", *single);
  for (std::size_t i = 0; i < list.size(); ++i) {
    candidates.emplace_back("spec.clusterIPs[" + std::to_string(i) + "]", list[i]);
  }
  if (candidates.empty() || candidates.front().second.get<std::string>().empty()) {
    return invalid(
        "spec.clusterIP is missing: there is no API server here that would allocate one");
  }
  for (const auto& [path, value] : candidates) {
    if (value.get<std::string>().find(':') != std::string::npos) continue;
    SLUICE_TRY(const Ipv4 ip, address(value, path));
    SLUICE_CHECK_OK(check_unicast(ip, path));
    return std::optional<Ipv4>(ip);
  }
  return std::optional<Ipv4>();
}

bool is_headless(const json& spec) {
  const json& list = child(spec, "clusterIPs");
  return text(spec, "clusterIP") == "None" ||
         (list.is_array() && !list.empty() && list[0] == "None");
}

Status read_service(const json& object, Manifest& out) {
  SLUICE_CHECK_OK(check_fields(object, kServiceSchema, ""));
  ManifestService service;
  SLUICE_TRY(service.name, namespaced_name(object));
  const json& spec = child(object, "spec");
  SLUICE_TRY(
      const std::string type,
      word(spec, "type", "spec.type", {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"}));
  SLUICE_TRY(const std::string external, word(spec, "externalTrafficPolicy",
                                              "spec.externalTrafficPolicy", {"Cluster", "Local"}));
  SLUICE_TRY(const std::string internal, word(spec, "internalTrafficPolicy",
                                              "spec.internalTrafficPolicy", {"Cluster", "Local"}));
  SLUICE_CHECK_OK(word(spec, "sessionAffinity", "spec.sessionAffinity", {"None", "ClientIP"})
                      .map([](const auto&) {}));
  if (type == "ExternalName" || is_headless(spec)) {
    out.skipped_services.push_back(service.name);
    return {};
  }
  if (get(child(child(object, "metadata"), "labels"), kProxyLabel) != nullptr) {
    out.warnings.push_back({"Service " + service.name,
                            "left to another proxy by its label " + std::string(kProxyLabel)});
    out.skipped_services.push_back(service.name);
    return {};
  }
  SLUICE_TRY(const auto cluster_ip, read_cluster_ip(spec));
  SLUICE_CHECK_OK(read_service_ports(spec, service, out));
  if (!cluster_ip) {
    out.warnings.push_back({"Service " + service.name, "has no IPv4 cluster IP: not served"});
    out.skipped_services.push_back(service.name);
    return {};
  }
  service.cluster_ip = *cluster_ip;
  service.external_policy =
      external == "Local" ? model::TrafficPolicy::kLocal : model::TrafficPolicy::kCluster;
  service.internal_policy =
      internal == "Local" ? model::TrafficPolicy::kLocal : model::TrafficPolicy::kCluster;
  service.selector = labels_of(child(spec, "selector"));
  if (type == "ClusterIP") {
    for (std::size_t i = 0; i < service.ports.size(); ++i) {
      if (service.ports[i].node_port == 0) continue;
      return invalid("spec.ports[" + std::to_string(i) + "].nodePort is " +
                     std::to_string(service.ports[i].node_port) +
                     ", must not be set when spec.type is ClusterIP");
    }
  }
  warn_unused(object, service.name, out);
  out.services.push_back(std::move(service));
  return {};
}

Status read_slice_endpoints(const json& object, EndpointSlice& slice) {
  const json& endpoints = child(object, "endpoints");
  if (endpoints.size() > kMaxEndpoints) {
    return invalid("endpoints has " + std::to_string(endpoints.size()) + " entries, at most " +
                   std::to_string(kMaxEndpoints) + " are allowed");
  }
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const std::string path = "endpoints[" + std::to_string(i) + "].addresses";
    const json& addresses = child(endpoints[i], "addresses");
    if (!addresses.is_array() || addresses.empty())
      return invalid(path + " is empty, must have at least one address");
    SliceEndpoint endpoint;
    for (std::size_t j = addresses.size(); j-- > 0;) {  // all are checked, the first is kept
      const std::string at = path + "[" + std::to_string(j) + "]";
      SLUICE_TRY(endpoint.ip, address(addresses[j], at));
      SLUICE_CHECK_OK(check_unicast(endpoint.ip, at));
    }
    endpoint.node = text(endpoints[i], "nodeName");
    const json& conditions = child(endpoints[i], "conditions");
    endpoint.ready = truth(conditions, "ready", true);
    endpoint.serving = truth(conditions, "serving", true);
    endpoint.terminating = truth(conditions, "terminating", false);
    slice.endpoints.push_back(std::move(endpoint));
  }
  return {};
}

Status read_slice(const json& object, Manifest& out) {
  SLUICE_CHECK_OK(check_fields(object, kEndpointSliceSchema, ""));
  EndpointSlice slice;
  SLUICE_TRY(slice.name, namespaced_name(object));
  if (get(object, "addressType") == nullptr)
    return invalid("addressType is missing, must be one of IPv4, IPv6, FQDN");
  SLUICE_TRY(const std::string type,
             word(object, "addressType", "addressType", {"IPv4", "IPv6", "FQDN"}));
  if (type != "IPv4") {
    out.warnings.push_back(
        {"EndpointSlice " + slice.name, "addressType " + type + " is unsupported: ignored"});
    return {};
  }
  const std::string service = text(child(child(object, "metadata"), "labels"), kServiceLabel);
  if (!service.empty()) slice.service = slice.name.substr(0, slice.name.find('/') + 1) + service;
  const json& ports = child(object, "ports");
  if (ports.size() > kMaxPorts)
    return invalid("ports has " + std::to_string(ports.size()) + " entries, at most " +
                   std::to_string(kMaxPorts) + " are allowed");
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const std::string path = "ports[" + std::to_string(i) + "]";
    SlicePort port;
    port.name = text(ports[i], "name");
    SLUICE_TRY(port.protocol,
               word(ports[i], "protocol", path + ".protocol", {"TCP", "UDP", "SCTP"}));
    port.port = number(ports[i], "port");
    if (port.port == 0) return invalid(path + ".port is missing");
    slice.ports.push_back(std::move(port));
  }
  SLUICE_CHECK_OK(read_slice_endpoints(object, slice));
  out.slices.push_back(std::move(slice));
  return {};
}

}  // namespace

std::string describe(const json& object) {
  const json* kind_value = get(object, "kind");
  std::string kind =
      kind_value != nullptr && kind_value->is_string() ? printable(*kind_value) : "'object'";
  kind = kind.substr(1, kind.size() - 2);
  const json& metadata = child(object, "metadata");
  std::string name = text(metadata, "name").substr(0, kMaxName);
  if (name.empty()) return kind + " without a name";
  if (kind == "Node") return kind + " " + name;
  std::string space = text(metadata, "namespace").substr(0, kMaxName);
  return kind + " " + (space.empty() ? "default" : space) + "/" + name;
}

Status read_object(const json& object, Manifest& out) {
  struct Kind {
    std::string_view name, api;
    Status (*read)(const json&, Manifest&);
  };
  static constexpr Kind kKinds[] = {{"Node", "v1", read_node},
                                    {"Pod", "v1", read_pod},
                                    {"Service", "v1", read_service},
                                    {"EndpointSlice", "discovery.k8s.io/v1", read_slice}};
  for (const auto& kind : kKinds) {
    if (text(object, "kind") != kind.name) continue;
    if (text(object, "apiVersion") != kind.api) {
      return invalid("apiVersion is " + printable(child(object, "apiVersion")) + ", must be '" +
                     std::string(kind.api) + "'");
    }
    return kind.read(object, out);
  }
  return invalid("kind is " + printable(child(object, "kind")) +
                 ", must be one of Node, Pod, Service, EndpointSlice, List");
}

}  // namespace sluice::sources
