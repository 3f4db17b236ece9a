// SPDX-License-Identifier: Apache-2.0
// Reading; cni_result_print.cc writes.
#include "sriov-cni/config/cni_result.h"

#include <algorithm>
#include <limits>

#include <nlohmann/json.hpp>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/config/result_reader.h"
#include "sriov-cni/config/section.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxEntries = 256;
constexpr std::size_t kMaxText = 4096;  // a path is the longest that anything here is
constexpr std::uint32_t kMaxNumber = std::numeric_limits<std::uint32_t>::max();

// What a configuration gets code 7 for is code 6 in a result.
Error as_decode_failure(Error error) {
  error.native = kDecodeFailure;
  return error;
}

Status short_text(const Section& from, std::string_view key, std::string& into) {
  SLUICE_CHECK_OK(from.text(key, into));
  if (into.size() <= kMaxText) return {};
  return from.bad(key, "allowed are up to " + std::to_string(kMaxText) + " characters");
}

Status read_gateway(const Section& from, std::string_view key, std::optional<IpAddr>& into) {
  std::string text;
  SLUICE_CHECK_OK(short_text(from, key, text));
  if (text.empty()) return {};
  const auto ip = IpAddr::parse(text);
  if (!ip) return from.bad(key, "allowed is an IP address");
  into = *ip;
  return {};
}

Status read_prefix(const Section& from, std::string_view key, IpPrefix& into) {
  std::string text;
  SLUICE_CHECK_OK(short_text(from, key, text));
  const auto prefix = IpPrefix::parse(text);
  if (!prefix) return from.bad(key, "allowed is an address with its prefix length");
  into = *prefix;
  return {};
}

// Zero is how others write "unset".
Status read_nonzero(const Section& from, std::string_view key, std::optional<std::uint32_t>& into) {
  SLUICE_CHECK_OK(from.number(key, 0, kMaxNumber, into));
  if (into == 0U) into.reset();
  return {};
}

Status read_interface(const Section& from, CniInterface& out) {
  SLUICE_CHECK_OK(short_text(from, "name", out.name));
  SLUICE_CHECK_OK(short_text(from, "mac", out.mac));
  SLUICE_CHECK_OK(short_text(from, "sandbox", out.sandbox));
  SLUICE_CHECK_OK(short_text(from, "socketPath", out.socket_path));
  SLUICE_CHECK_OK(short_text(from, "pciID", out.pci));
  std::optional<std::uint32_t> mtu;
  SLUICE_CHECK_OK(read_nonzero(from, "mtu", mtu));
  out.mtu = mtu.value_or(0);
  return {};
}

Status read_address(const Section& from, std::size_t interfaces, CniAddress& out) {
  SLUICE_CHECK_OK(read_prefix(from, "address", out.address));
  SLUICE_CHECK_OK(read_gateway(from, "gateway", out.gateway));
  const auto* interface = from.find("interface");
  // Early libraries wrote -1 for none.
  if (interface == nullptr || *interface == -1) return {};
  if (interfaces == 0) return from.bad("interface", "the result has no interfaces");
  return from.number("interface", 0, static_cast<std::uint32_t>(interfaces - 1), out.interface);
}

Status read_route(const Section& from, CniRoute& out) {
  SLUICE_CHECK_OK(read_prefix(from, "dst", out.destination));
  SLUICE_CHECK_OK(read_gateway(from, "gw", out.gateway));
  SLUICE_CHECK_OK(read_nonzero(from, "mtu", out.mtu));
  SLUICE_CHECK_OK(read_nonzero(from, "advmss", out.advmss));
  SLUICE_CHECK_OK(read_nonzero(from, "priority", out.priority));
  SLUICE_CHECK_OK(from.number("table", 0, kMaxNumber, out.table));
  return from.number("scope", 0, 255, out.scope);
}

// Each object of the list at `key`, read by `read` into one more of `out`.
template <class T, class Read>
Status read_each(const Section& from, std::string_view key, std::vector<T>& out, Read read) {
  SLUICE_TRY(const auto* list, from.list(key, kMaxEntries));
  if (list == nullptr) return {};
  for (const auto& entry : *list) {
    const auto name = from.name_of(key) + "[" + std::to_string(out.size()) + "]";
    if (!entry.is_object()) {
      return cni_fail(kDecodeFailure, name + " is " + shown(entry) + "; allowed is an object");
    }
    SLUICE_CHECK_OK(read(Section(entry, name), out.emplace_back()));
  }
  return {};
}

Status read_texts(const Section& from, std::string_view key, std::vector<std::string>& out) {
  SLUICE_TRY(const auto* list, from.list(key, kMaxEntries));
  if (list == nullptr) return {};
  for (const auto& entry : *list) {
    if (!entry.is_string() || entry.get_ref<const std::string&>().size() > kMaxText) {
      return from.bad(key, "allowed is a list of strings");
    }
    out.push_back(entry.get<std::string>());
  }
  return {};
}

// ip4 or ip6 of 0.1.0 and 0.2.0.
Status read_family(const Section& from, std::string_view key, bool v6, CniResult& out) {
  SLUICE_TRY(const auto family, from.section(key));
  if (!family) return {};
  auto& address = out.addresses.emplace_back();
  SLUICE_CHECK_OK(read_prefix(*family, "ip", address.address));
  if (address.address.address.v6 != v6) {
    return family->bad("ip", v6 ? "allowed is an IPv6 address" : "allowed is an IPv4 address");
  }
  SLUICE_CHECK_OK(read_gateway(*family, "gateway", address.gateway));
  std::vector<CniRoute> routes;
  SLUICE_CHECK_OK(read_each(*family, "routes", routes, read_route));
  out.routes.insert(out.routes.end(), routes.begin(), routes.end());
  return {};
}

Status read_body(const Section& from, bool families, CniResult& out) {
  SLUICE_TRY(const auto dns, from.section("dns"));
  if (dns) SLUICE_CHECK_OK(read_dns(*dns, "nameservers", "search", out.dns));
  if (families) {
    SLUICE_CHECK_OK(read_family(from, "ip4", false, out));
    return read_family(from, "ip6", true, out);
  }
  SLUICE_CHECK_OK(read_each(from, "interfaces", out.interfaces, read_interface));
  SLUICE_CHECK_OK(
      read_each(from, "ips", out.addresses, [&](const Section& entry, CniAddress& address) {
        return read_address(entry, out.interfaces.size(), address);
      }));
  return read_each(from, "routes", out.routes, read_route);
}

}  // namespace

Status read_dns(const Section& from, std::string_view servers, std::string_view search,
                CniDns& out) {
  SLUICE_CHECK_OK(read_texts(from, servers, out.nameservers));
  SLUICE_CHECK_OK(short_text(from, "domain", out.domain));
  SLUICE_CHECK_OK(read_texts(from, search, out.search));
  return read_texts(from, "options", out.options);
}

Result<CniResult> read_result(const Json& json, std::string_view version, const std::string& name) {
  if (!json.is_object()) {
    return cni_fail(kDecodeFailure, (name.empty() ? "the result" : name) + " is " + shown(json) +
                                        "; allowed is a result object");
  }
  const Section from(json, name);
  std::string own;
  if (auto read = from.text("cniVersion", own); !read) return fail(as_decode_failure(read.error()));
  if (own.empty()) own = version.empty() ? "0.1.0" : version;
  const auto& supported = supported_versions();
  if (std::find(supported.begin(), supported.end(), own) == supported.end()) {
    return cni_fail(kDecodeFailure, from.name_of("cniVersion") + " is " + in_quotes(own) +
                                        "; allowed are 0.1.0 to " + std::string(supported.back()));
  }
  CniResult out;
  const bool families = own == "0.1.0" || own == "0.2.0";
  if (auto read = read_body(from, families, out); !read) {
    return fail(as_decode_failure(read.error()));
  }
  return out;
}

Result<CniResult> parse_result(std::string_view json, std::string_view version) {
  if (json.size() > kMaxConfigBytes) {
    return cni_fail(kDecodeFailure, "the result is larger than 4 MiB");
  }
  const auto parsed = parse_json(json);
  if (parsed.is_discarded()) return cni_fail(kDecodeFailure, "the result is no JSON object");
  return read_result(parsed, version, "");
}

}  // namespace sluice::cni
