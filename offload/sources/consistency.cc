// SPDX-License-Identifier: Apache-2.0
// Rules that concern several objects of a manifest.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_set>

#include "offload/sources/objects.h"

namespace sluice::sources {
namespace {

tl::unexpected<Error> invalid(std::string message) {
  return fail(Error{Code::kInvalid, Domain::kConfig, 0, std::move(message), {}, Retry::kNever});
}

// Names seen, each allowed once.
class Once {
 public:
  explicit Once(std::string kind) : kind_(std::move(kind)) {}
  Status add(const std::string& name) {
    if (seen_.insert(name).second) return {};
    return invalid(kind_ + " " + name + " is there twice");
  }

 private:
  std::string kind_;
  std::set<std::string> seen_;
};

Status check_nodes(const std::vector<model::Node>& nodes) {
  Once names("Node");
  std::map<Ipv4, std::string> addresses;
  std::vector<const model::Node*> by_block;
  for (const auto& node : nodes) {
    SLUICE_CHECK_OK(names.add(node.name));
    const auto [it, fresh] = addresses.emplace(node.address, node.name);
    if (!fresh) {
      return invalid("Node " + node.name + ": status.addresses: the InternalIP " +
                     node.address.to_string() + " is also that of Node " + it->second);
    }
    by_block.push_back(&node);
  }
  std::sort(by_block.begin(), by_block.end(),
            [](const auto* a, const auto* b) { return a->pod_cidr < b->pod_cidr; });
  // Prefixes nest or are apart: sorted, an overlap shows between neighbours.
  for (std::size_t i = 1; i < by_block.size(); ++i) {
    if (!by_block[i - 1]->pod_cidr.overlaps(by_block[i]->pod_cidr)) continue;
    return invalid("Node " + by_block[i]->name + ": spec.podCIDR " +
                   by_block[i]->pod_cidr.to_string() + " overlaps " +
                   by_block[i - 1]->pod_cidr.to_string() + " of Node " + by_block[i - 1]->name);
  }
  // The block that would hold an address is the last that starts at or below it.
  for (const auto& node : nodes) {
    const auto above =
        std::upper_bound(by_block.begin(), by_block.end(), node.address,
                         [](Ipv4 ip, const auto* n) { return ip < n->pod_cidr.address; });
    if (above == by_block.begin() || !(*(above - 1))->pod_cidr.contains(node.address)) continue;
    return invalid("Node " + node.name + ": status.addresses: the InternalIP " +
                   node.address.to_string() + " lies in the pod block of Node " +
                   (*(above - 1))->name);
  }
  return {};
}

Status check_ports(const ManifestService& service,
                   std::map<std::pair<model::Proto, std::uint16_t>, std::string>& node_ports) {
  std::set<std::tuple<bool, model::Proto, std::uint16_t>> numbers;
  std::set<std::string> names;
  for (std::size_t i = 0; i < service.ports.size(); ++i) {
    const auto& port = service.ports[i];
    const std::string path = "Service " + service.name + ": spec.ports[" + std::to_string(i) + "]";
    if (!numbers.emplace(port.supported, port.proto, port.port).second) {
      return invalid(path + ".port " + std::to_string(port.port) +
                     " is there twice for its protocol");
    }
    if (!names.insert(port.name).second)
      return invalid(path + ".name '" + port.name + "' is there twice");
    if (port.node_port == 0 || !port.supported) continue;
    const auto [it, fresh] =
        node_ports.emplace(std::pair(port.proto, port.node_port), service.name);
    if (!fresh) {
      return invalid(path + ".nodePort " + std::to_string(port.node_port) +
                     " is also that of Service " + it->second);
    }
  }
  return {};
}

Status check_services(const Manifest& manifest) {
  Once names("Service");
  std::map<Ipv4, std::string> addresses;
  std::map<std::pair<model::Proto, std::uint16_t>, std::string> node_ports;
  for (const auto& name : manifest.skipped_services) SLUICE_CHECK_OK(names.add(name));
  std::vector<Prefix4> blocks;
  for (const auto& node : manifest.nodes) blocks.push_back(node.pod_cidr);
  std::sort(blocks.begin(), blocks.end());
  for (const auto& service : manifest.services) {
    SLUICE_CHECK_OK(names.add(service.name));
    const std::string ip = service.cluster_ip.to_string();
    const auto [it, fresh] = addresses.emplace(service.cluster_ip, service.name);
    if (!fresh) {
      return invalid("Service " + service.name + ": spec.clusterIP " + ip +
                     " is also that of Service " + it->second);
    }
    const auto above =
        std::upper_bound(blocks.begin(), blocks.end(), service.cluster_ip,
                         [](Ipv4 a, const Prefix4& block) { return a < block.address; });
    if (above != blocks.begin() && (above - 1)->contains(service.cluster_ip)) {
      return invalid("Service " + service.name + ": spec.clusterIP " + ip +
                     " lies in the pod block " + (above - 1)->to_string());
    }
    SLUICE_CHECK_OK(check_ports(service, node_ports));
  }
  for (const auto& node : manifest.nodes) {
    const auto it = addresses.find(node.address);
    if (it != addresses.end()) {
      return invalid("Service " + it->second + ": spec.clusterIP " + node.address.to_string() +
                     " is the InternalIP of Node " + node.name);
    }
  }
  return {};
}

}  // namespace

Status check_consistency(Manifest& manifest) {
  SLUICE_CHECK_OK(check_nodes(manifest.nodes));
  SLUICE_CHECK_OK(check_services(manifest));
  std::unordered_set<std::string> nodes;
  for (const auto& node : manifest.nodes) nodes.insert(node.name);
  Once pods("Pod");
  for (const auto& pod : manifest.pods) {
    SLUICE_CHECK_OK(pods.add(pod.name));
    if (!pod.node.empty() && !nodes.contains(pod.node)) {
      manifest.warnings.push_back(
          {"Pod " + pod.name, "spec.nodeName '" + pod.node + "' is no node of this manifest"});
    }
  }
  Once slices("EndpointSlice");
  for (const auto& slice : manifest.slices) SLUICE_CHECK_OK(slices.add(slice.name));
  return {};
}

}  // namespace sluice::sources
