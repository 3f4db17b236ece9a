// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/config_parts.h"
#include "sriov-cni/config/result_reader.h"
#include "sriov-cni/config/values.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxAddresses = 64;
constexpr std::size_t kMaxPortMappings = 1024;
constexpr std::size_t kMaxPath = 4096;
constexpr std::array<std::string_view, 3> kProtocols = {"tcp", "udp", "sctp"};

// Of args.cni and runtimeConfig, where `ips` is a list.
Status read_ips(const Section& from, std::vector<IpPrefix>& out) {
  SLUICE_TRY(const auto* list, from.list("ips", kMaxAddresses));
  if (list == nullptr) return {};
  for (const auto& entry : *list) {
    std::optional<IpPrefix> address;
    if (entry.is_string()) address = parse_address(entry.get_ref<const std::string&>());
    if (!address) {
      return cni_fail(kInvalidConfig, from.name_of("ips") + "[" + std::to_string(out.size()) +
                                          "] is " + shown(entry) +
                                          "; allowed is an address such as 10.0.0.5/24");
    }
    out.push_back(*address);
  }
  return {};
}

Status read_ip_argument(std::string_view text, std::vector<IpPrefix>& out) {
  if (static_cast<std::size_t>(std::count(text.begin(), text.end(), ',')) >= kMaxAddresses) {
    return cni_fail(kInvalidEnvironment, "CNI_ARGS: IP is " + in_quotes(text) +
                                             "; allowed are up to " +
                                             std::to_string(kMaxAddresses) + " addresses");
  }
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const auto address = parse_address(text.substr(0, comma));
    if (!address) {
      return cni_fail(kInvalidEnvironment,
                      "CNI_ARGS: IP is " + in_quotes(text.substr(0, comma)) +
                          "; allowed are addresses such as 10.0.0.5/24, with ',' between them");
    }
    out.push_back(*address);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return {};
}

Status read_addresses(const Sources& from, NetConfig& out) {
  auto& to = out.requested_addresses;
  if (from.runtime) SLUICE_CHECK_OK(read_ips(*from.runtime, to));
  if (!to.empty() && out.ipam == IpamKind::kNone) {
    return from.runtime->unsupported("ips", "the network has no ipam to give addresses");
  }
  if (to.empty() && from.args) SLUICE_CHECK_OK(read_ips(*from.args, to));
  if (to.empty()) SLUICE_CHECK_OK(read_ip_argument(from.call.args_ip, to));
  return {};
}

Status read_port_mapping(const Section& from, PortMapping& out) {
  std::optional<std::uint16_t> host, container;
  SLUICE_CHECK_OK(from.number("hostPort", 1, 65535, host));
  SLUICE_CHECK_OK(from.number("containerPort", 1, 65535, container));
  if (!host) return from.bad("hostPort", "needed is 1 to 65535");
  if (!container) return from.bad("containerPort", "needed is 1 to 65535");
  out.host_port = *host;
  out.container_port = *container;
  std::optional<std::size_t> protocol;
  SLUICE_CHECK_OK(from.choice("protocol", kProtocols, protocol));
  out.protocol = kProtocols[protocol.value_or(0)];
  if (out.protocol == "sctp") return from.unsupported("protocol", "allowed are tcp, udp");
  std::string address;
  SLUICE_CHECK_OK(from.text("hostIP", address));
  if (address.empty()) return {};
  const auto ip = IpAddr::parse(address);
  if (!ip) return from.bad("hostIP", "allowed is an IP address");
  if (!ip->is_zero()) out.host_ip = *ip;
  return {};
}

// containerd writes these fields as Go calls them, "HostPort", and who reads them by Go sees no
// difference.
Json in_our_case(const Json& entry) {
  static constexpr std::array<std::string_view, 4> kFields = {"hostPort", "containerPort",
                                                              "protocol", "hostIP"};
  Json out = Json::object();
  for (const auto& [key, value] : entry.items()) {
    const auto field = std::find_if(kFields.begin(), kFields.end(),
                                    [&key = key](auto name) { return same_letters(name, key); });
    if (field != kFields.end()) out[std::string(*field)] = value;
  }
  return out;
}

bool same_port(const PortMapping& a, const PortMapping& b) {
  const bool same_ip = !a.host_ip || !b.host_ip || *a.host_ip == *b.host_ip;
  return a.protocol == b.protocol && a.host_port == b.host_port && same_ip;
}

// Only one of two could be served.
Status check_is_new(const std::vector<PortMapping>& before, const PortMapping& one,
                    const std::string& name) {
  const auto same = std::find_if(before.begin(), before.end(),
                                 [&](const auto& other) { return same_port(other, one); });
  if (same == before.end()) return {};
  return cni_fail(kInvalidConfig,
                  name + " is " + one.protocol + " port " + std::to_string(one.host_port) + " of " +
                      (one.host_ip ? one.host_ip->to_string() : "all addresses") +
                      ", which portMappings[" + std::to_string(same - before.begin()) +
                      "] has; allowed is each host port once");
}

Status read_port_mappings(const Section& runtime, NetConfig& out) {
  SLUICE_TRY(const auto* list, runtime.list("portMappings", kMaxPortMappings));
  if (list == nullptr || list->empty()) return {};
  if (out.engine == EngineUse::kNever) {
    return runtime.unsupported("portMappings", "offload is never, and only the engine serves them");
  }
  for (const auto& entry : *list) {
    const auto name =
        "runtimeConfig.portMappings[" + std::to_string(out.port_mappings.size()) + "]";
    if (!entry.is_object()) {
      return cni_fail(kInvalidConfig, name + " is " + shown(entry) + "; allowed is an object");
    }
    const auto mapping = in_our_case(entry);
    PortMapping one;
    SLUICE_CHECK_OK(read_port_mapping(Section(mapping, name), one));
    SLUICE_CHECK_OK(check_is_new(out.port_mappings, one, name));
    out.port_mappings.push_back(std::move(one));
  }
  return {};
}

bool is_empty(const Json& value) {
  return value.is_null() || value == "" || (value.is_structured() && value.empty());
}

// A capability that is there is a wish of the pod's: nothing of it may be lost without a word.
Status refuse_others(const Section& runtime, const NetConfig& config) {
  for (const auto& [key, value] : runtime.json().items()) {
    const bool infiniband = config.dialect == Dialect::kIbSriov;
    const bool ethernet = config.dialect == Dialect::kSriov;
    const bool acted_on = key == "deviceID" || key == "ips" || key == "portMappings" ||
                          key == "bandwidth" || key == "dns" || key == "CNIDeviceInfoFile" ||
                          (key == "mac" && !infiniband) || (key == "infinibandGUID" && !ethernet) ||
                          (key == "ipRanges" && config.ipam == IpamKind::kDelegate);
    const bool of_others = key.find('.') != std::string::npos || key.find('/') != std::string::npos;
    if (acted_on || of_others || is_empty(value)) continue;
    const bool known =
        key == "mac" || key == "infinibandGUID" || key == "ipRanges" || key == "aliases";
    if (!known && config.dialect != Dialect::kSluice) continue;
    return runtime.unsupported(
        key,
        "allowed are deviceID, mac, ips, portMappings, bandwidth, dns, infinibandGUID, "
        "CNIDeviceInfoFile, and ipRanges where a plugin is the ipam; an InfiniBand network has "
        "no mac, another no infinibandGUID");
  }
  return {};
}

}  // namespace

Status read_runtime(const Sources& from, NetConfig& out) {
  SLUICE_CHECK_OK(read_addresses(from, out));
  if (!from.runtime) return {};
  SLUICE_CHECK_OK(from.runtime->path("CNIDeviceInfoFile", kMaxPath, out.device_info_file));
  SLUICE_CHECK_OK(read_port_mappings(*from.runtime, out));
  SLUICE_TRY(const auto pod_dns, from.runtime->section("dns"));
  if (pod_dns) {
    CniDns dns_of_pod;
    SLUICE_CHECK_OK(read_dns(*pod_dns, "servers", "searches", dns_of_pod));
    if (dns_of_pod != CniDns{}) out.dns = std::move(dns_of_pod);
  }
  return refuse_others(*from.runtime, out);
}

}  // namespace sluice::cni
