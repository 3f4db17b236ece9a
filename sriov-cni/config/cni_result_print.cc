// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <nlohmann/json.hpp>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/config/section.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::ordered_json;

// What the versions' shapes differ in.
struct Shape {
  bool families = false;        // ip4 and ip6 instead of lists
  bool family_numbers = false;  // ips have a "version"
  bool always_dns = false;
  bool details = false;  // an interface's mtu, socketPath, pciID
};

Shape shape_of(std::string_view version) {
  Shape out;
  out.families = version == "0.1.0" || version == "0.2.0";
  out.family_numbers = !out.families && version < "1";
  out.always_dns = out.family_numbers;
  out.details = version >= "1";
  return out;
}

void put_text(Json& out, const char* key, const std::string& text) {
  if (!text.empty()) out[key] = text;
}

template <class T>
void put_number(Json& out, const char* key, const std::optional<T>& number) {
  if (number) out[key] = *number;
}

Json interface_json(const CniInterface& interface, const Shape& shape) {
  Json out;
  out["name"] = interface.name;
  put_text(out, "mac", interface.mac);
  if (shape.details && interface.mtu != 0) out["mtu"] = interface.mtu;
  put_text(out, "sandbox", interface.sandbox);
  if (shape.details) {
    put_text(out, "socketPath", interface.socket_path);
    put_text(out, "pciID", interface.pci);
  }
  return out;
}

Json address_json(const CniAddress& address, const Shape& shape) {
  Json out;
  if (shape.family_numbers) out["version"] = address.address.address.v6 ? "6" : "4";
  put_number(out, "interface", address.interface);
  out["address"] = address.address.to_string();
  if (address.gateway) out["gateway"] = address.gateway->to_string();
  return out;
}

// Whole in every version: without its table, say, it would be another route to the plugins behind.
Json routes_json(const std::vector<CniRoute>& routes, std::optional<bool> only_v6) {
  Json out = Json::array();
  for (const auto& route : routes) {
    if (only_v6 && route.destination.address.v6 != *only_v6) continue;
    Json& one = out.emplace_back(Json::object());
    one["dst"] = route.destination.to_string();
    if (route.gateway) one["gw"] = route.gateway->to_string();
    put_number(one, "mtu", route.mtu);
    put_number(one, "advmss", route.advmss);
    put_number(one, "priority", route.priority);
    put_number(one, "table", route.table);
    put_number(one, "scope", route.scope);
  }
  return out;
}

Json dns_json(const CniDns& dns) {
  Json out = Json::object();
  if (!dns.nameservers.empty()) out["nameservers"] = dns.nameservers;
  put_text(out, "domain", dns.domain);
  if (!dns.search.empty()) out["search"] = dns.search;
  if (!dns.options.empty()) out["options"] = dns.options;
  return out;
}

void put_families(Json& out, const CniResult& result) {
  for (const bool v6 : {false, true}) {
    const auto first = std::find_if(result.addresses.begin(), result.addresses.end(),
                                    [&](const auto& a) { return a.address.address.v6 == v6; });
    if (first == result.addresses.end()) continue;
    Json family;
    family["ip"] = first->address.to_string();
    if (first->gateway) family["gateway"] = first->gateway->to_string();
    auto routes = routes_json(result.routes, v6);
    if (!routes.empty()) family["routes"] = std::move(routes);
    out[v6 ? "ip6" : "ip4"] = std::move(family);
  }
}

void put_lists(Json& out, const CniResult& result, const Shape& shape) {
  Json interfaces = Json::array(), addresses = Json::array();
  for (const auto& one : result.interfaces) interfaces.push_back(interface_json(one, shape));
  for (const auto& one : result.addresses) addresses.push_back(address_json(one, shape));
  auto routes = routes_json(result.routes, std::nullopt);
  if (!interfaces.empty()) out["interfaces"] = std::move(interfaces);
  if (!addresses.empty()) out["ips"] = std::move(addresses);
  if (!routes.empty()) out["routes"] = std::move(routes);
}

}  // namespace

Status can_say(std::string_view version, const CniResult& result) {
  const auto& supported = supported_versions();
  if (std::find(supported.begin(), supported.end(), version) == supported.end()) {
    return cni_fail(kIncompatibleVersion,
                    "cniVersion is " + in_quotes(version) + "; there is no result of that version");
  }
  if (!shape_of(version).families || !result.addresses.empty()) return {};
  return cni_fail(kInvalidConfig,
                  "cniVersion is " + in_quotes(version) +
                      ", whose results can't say that there is no address; allowed are 0.3.0 and "
                      "later, or an ipam that gives one");
}

Result<std::string> print_result(std::string_view version, const CniResult& result) {
  SLUICE_CHECK_OK(can_say(version, result));
  const auto shape = shape_of(version);
  Json out;
  out["cniVersion"] = version;
  if (shape.families) {
    put_families(out, result);
  } else {
    put_lists(out, result, shape);
  }
  auto dns = dns_json(result.dns);
  if (shape.always_dns || !dns.empty()) out["dns"] = std::move(dns);
  // What comes from outside may be no UTF-8; the runtime gets a result all the same.
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string print_versions(std::string_view cni_version) {
  Json out;
  out["cniVersion"] = cni_version;
  out["supportedVersions"] = supported_versions();
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

CniResult join(const CniResult& previous, const CniResult& ours) {
  auto out = previous;
  out.interfaces.insert(out.interfaces.end(), ours.interfaces.begin(), ours.interfaces.end());
  for (auto address : ours.addresses) {
    if (address.interface) *address.interface += previous.interfaces.size();
    out.addresses.push_back(std::move(address));
  }
  out.routes.insert(out.routes.end(), ours.routes.begin(), ours.routes.end());
  if (ours.dns != CniDns{}) out.dns = ours.dns;
  return out;
}

}  // namespace sluice::cni
