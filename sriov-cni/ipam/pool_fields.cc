// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/pool_fields.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include <nlohmann/json.hpp>

#include "common/base/nearest_name.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/values.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kMaxSets = 16, kMaxRanges = 64, kMaxAllRanges = 256;
constexpr std::size_t kMaxRoutes = 256, kMaxExclude = 1024, kMaxReservations = 4096;
constexpr std::size_t kMaxDns = 16, kMaxDnsText = 253;
constexpr std::size_t kMaxPodName = 317;

constexpr std::array<std::string_view, 4> kRangeKeys = {"subnet", "rangeStart", "rangeEnd",
                                                        "gateway"};
constexpr std::array<std::string_view, 7> kRouteKeys = {"dst",      "gw",    "mtu",  "advmss",
                                                        "priority", "table", "scope"};
constexpr std::array<std::string_view, 3> kReservationKeys = {"address", "pod", "mac"};
constexpr std::array<std::string_view, 4> kDnsKeys = {"nameservers", "domain", "search", "options"};

std::string item(const std::string& where, std::size_t index) {
  return where + "[" + std::to_string(index) + "]";
}

Result<std::optional<IpAddr>> address_at(const Section& object, const char* key) {
  const auto* value = object.find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) {
    const auto address = IpAddr::parse(value->get_ref<const std::string&>());
    if (address) return *address;
  }
  return object.bad(key, "allowed is an IP address like 10.0.0.1 or fd00::1");
}

Result<IpPrefix> prefix_at(const Section& object, const char* key) {
  const auto* value = object.find(key);
  if (value != nullptr && value->is_string()) {
    const auto prefix = IpPrefix::parse(value->get_ref<const std::string&>());
    if (prefix) return *prefix;
  }
  return object.bad(key, "allowed is a prefix like 10.0.0.0/24 or fd00::/64");
}

// Each entry of the list at `key`, by `read(entry, its place)`.
template <class T, class Read>
Result<std::vector<T>> read_list(const Section& block, const char* key, std::size_t most,
                                 const Read& read) {
  std::vector<T> out;
  SLUICE_TRY(const auto* list, block.list(key, most));
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    SLUICE_TRY(auto entry, read((*list)[i], item(block.name_of(key), i)));
    out.push_back(std::move(entry));
  }
  return out;
}

Result<Section> known_object(const Json& value, const std::string& where,
                             std::span<const std::string_view> keys) {
  if (!value.is_object()) return wrong_field(where, value, "an object");
  const Section object(value, where);
  SLUICE_CHECK_OK(check_keys(object, keys));
  return object;
}

Status narrow(const Section& object, AddressRange& range) {
  const auto inside = [&](const char* key, const IpAddr& ip) -> Status {
    if (range.subnet.contains(ip)) return {};
    return object.bad(key, "allowed is an address in the subnet " + range.subnet.to_string());
  };
  SLUICE_TRY(const auto start, address_at(object, "rangeStart"));
  SLUICE_TRY(const auto end, address_at(object, "rangeEnd"));
  SLUICE_TRY(const auto gateway, address_at(object, "gateway"));
  if (start) SLUICE_CHECK_OK(inside("rangeStart", *start));
  if (end) SLUICE_CHECK_OK(inside("rangeEnd", *end));
  if (gateway) SLUICE_CHECK_OK(inside("gateway", *gateway));
  if (start && end && *end < *start) {
    return object.bad(
        "rangeEnd", "allowed is an address not before rangeStart, which is " + start->to_string());
  }
  // The network's and the broadcast address drop out without a word: files of others have them.
  if (start) range.first = std::max(range.first, *start);
  if (end) range.last = std::min(range.last, *end);
  if (range.last < range.first) {
    return object.bad(start ? "rangeStart" : "rangeEnd",
                      "allowed is one with a host's address in the range, of " +
                          to_string({whole_subnet(range.subnet)}));
  }
  range.gateway = gateway;
  return {};
}

Result<AddressRange> read_range(const Section& object) {
  SLUICE_TRY(const auto subnet, prefix_at(object, "subnet"));
  if (subnet.address != subnet.network()) {
    return object.bad("subnet", "allowed is its network " +
                                    IpPrefix{subnet.network(), subnet.length}.to_string());
  }
  if (subnet.length == 0 || subnet.address.is_multicast()) {
    return object.bad("subnet", "allowed is a prefix of unicast addresses, /1 at the widest");
  }
  auto range = whole_subnet(subnet);
  const auto first = range.first;
  SLUICE_CHECK_OK(narrow(object, range));
  // As host-local has it; a subnet of one address has no room for a gateway.
  if (!range.gateway && subnet.length < subnet.address.width()) range.gateway = first;
  if (range.first == range.last && range.gateway == range.first) {
    return object.bad("gateway", "allowed is another one than the range's only address " +
                                     range.first.to_string());
  }
  return range;
}

Result<RangeSet> read_set(const Json& list, const std::string& where) {
  if (!list.is_array() || list.empty() || list.size() > kMaxRanges) {
    return wrong_field(where, list, "a list of 1 to " + std::to_string(kMaxRanges) + " ranges");
  }
  RangeSet out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    SLUICE_TRY(const auto object, known_object(list[i], item(where, i), kRangeKeys));
    SLUICE_TRY(const auto range, read_range(object));
    if (!out.empty() && range.first.v6 != out.front().first.v6) {
      return object.bad(
          "subnet", "allowed is the family of the list's first, " + out.front().subnet.to_string());
    }
    out.push_back(range);
  }
  return out;
}

// Sorted by their begin, neighbours tell. `where`: the list's place.
Status check_apart(const std::vector<RangeSet>& sets, const std::string& where) {
  RangeSet all;
  for (const auto& set : sets) all.insert(all.end(), set.begin(), set.end());
  if (all.size() > kMaxAllRanges) {
    return cni_fail(kInvalidConfig, where + " has " + std::to_string(all.size()) +
                                        " ranges; allowed are " + std::to_string(kMaxAllRanges));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (!all[i - 1].contains(all[i].first)) continue;
    return cni_fail(kInvalidConfig, where + ": " + to_string({all[i]}) + " overlaps " +
                                        to_string({all[i - 1]}) +
                                        "; allowed are ranges apart from each other");
  }
  return {};
}

Result<CniRoute> read_route(const Json& value, const std::string& where) {
  SLUICE_TRY(const auto object, known_object(value, where, kRouteKeys));
  CniRoute out;
  SLUICE_TRY(const auto destination, prefix_at(object, "dst"));
  out.destination = {destination.network(), destination.length};
  SLUICE_TRY(out.gateway, address_at(object, "gw"));
  if (out.gateway && out.gateway->v6 != out.destination.address.v6) {
    return object.bad("gw", "allowed is an address of the family of dst");
  }
  SLUICE_CHECK_OK(object.number("mtu", 0, kMax32, out.mtu));
  SLUICE_CHECK_OK(object.number("advmss", 0, kMax32, out.advmss));
  SLUICE_CHECK_OK(object.number("priority", 0, kMax32, out.priority));
  SLUICE_CHECK_OK(object.number("table", 0, kMax32, out.table));
  SLUICE_CHECK_OK(object.number("scope", 0, 255, out.scope));
  return out;
}

Result<IpPrefix> read_exclusion(const Json& value, const std::string& where) {
  const auto prefix =
      value.is_string() ? parse_address(value.get_ref<const std::string&>()) : std::nullopt;
  if (!prefix) return wrong_field(where, value, "an address or a prefix");
  return *prefix;
}

bool is_pod(const std::string& text) {
  const auto slash = text.find('/');
  return slash != std::string::npos && slash != 0 && slash + 1 != text.size() &&
         slash == text.rfind('/') && text.size() <= kMaxPodName;
}

Result<Reservation> read_reservation(const Json& value, const std::string& where) {
  SLUICE_TRY(const auto object, known_object(value, where, kReservationKeys));
  Reservation out;
  SLUICE_TRY(const auto address, address_at(object, "address"));
  if (!address) return object.bad("address", "allowed is an IP address");
  out.address = *address;
  const auto* mac = object.find("mac");
  if ((object.find("pod") == nullptr) == (mac == nullptr)) {
    return object.bad("pod", "allowed is either pod or mac");
  }
  if (mac != nullptr) {
    if (mac->is_string()) out.mac = parse_port_mac(mac->get_ref<const std::string&>());
    if (!out.mac) return object.bad("mac", "allowed is a MAC like 02:00:00:aa:bb:cc");
    return out;
  }
  SLUICE_CHECK_OK(object.text("pod", out.pod));
  if (!is_pod(out.pod)) return object.bad("pod", "allowed is a pod as <namespace>/<name>");
  return out;
}

Result<std::string> read_dns_text(const Json& value, const std::string& where) {
  if (!value.is_string() || value.get_ref<const std::string&>().size() > kMaxDnsText) {
    return wrong_field(where, value,
                       "a string of up to " + std::to_string(kMaxDnsText) + " characters");
  }
  return value.get<std::string>();
}

bool has_range_key(const Section& block) {
  return std::any_of(kRangeKeys.begin(), kRangeKeys.end(),
                     [&](const auto key) { return block.find(key) != nullptr; });
}

}  // namespace

tl::unexpected<Error> wrong_field(const std::string& where, const Json& value,
                                  std::string_view allowed) {
  return cni_fail(kInvalidConfig, where + " is " + (value.is_null() ? "missing" : shown(value)) +
                                      "; allowed is " + std::string(allowed));
}

Status check_keys(const Section& object, std::span<const std::string_view> known) {
  for (const auto& [key, value] : object.json().items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    if (key.find('.') != std::string::npos || key.find('/') != std::string::npos) continue;
    std::string message = object.name_of(key) + " is unknown";
    if (const auto meant = nearest_name(key, known)) {
      message += ", did you mean '" + std::string(*meant) + "'?";
    } else {
      message += "; known are";
      for (const auto name : known) message.append(" ").append(name);
    }
    return cni_fail(kInvalidConfig, message);
  }
  return {};
}

bool has_ranges(const Section& block) {
  return block.find("ranges") != nullptr || has_range_key(block);
}

Result<std::vector<RangeSet>> read_ranges(const Section& block) {
  SLUICE_TRY(auto out, read_list<RangeSet>(block, "ranges", kMaxSets, read_set));
  if (has_range_key(block)) {
    SLUICE_TRY(const auto range, read_range(block));
    out.insert(out.begin(), RangeSet{range});
  }
  if (out.empty()) {
    return cni_fail(kInvalidConfig,
                    block.name_of("ranges") + " is empty; allowed is a list of lists of ranges");
  }
  SLUICE_CHECK_OK(check_apart(out, block.name_of("ranges")));
  return out;
}

Result<std::vector<CniRoute>> read_routes(const Section& block) {
  return read_list<CniRoute>(block, "routes", kMaxRoutes, read_route);
}

Result<std::vector<IpPrefix>> read_exclude(const Section& block) {
  return read_list<IpPrefix>(block, "exclude", kMaxExclude, read_exclusion);
}

Result<std::vector<Reservation>> read_reservations(const Section& block) {
  return read_list<Reservation>(block, "reservations", kMaxReservations, read_reservation);
}

Result<CniDns> read_dns(const Section& block) {
  CniDns out;
  SLUICE_TRY(const auto dns, block.section("dns"));
  if (!dns) return out;
  SLUICE_CHECK_OK(check_keys(*dns, kDnsKeys));
  SLUICE_TRY(out.nameservers, read_list<std::string>(*dns, "nameservers", kMaxDns, read_dns_text));
  SLUICE_TRY(out.search, read_list<std::string>(*dns, "search", kMaxDns, read_dns_text));
  SLUICE_TRY(out.options, read_list<std::string>(*dns, "options", kMaxDns, read_dns_text));
  if (const auto* domain = dns->find("domain")) {
    SLUICE_TRY(out.domain, read_dns_text(*domain, dns->name_of("domain")));
  }
  return out;
}

}  // namespace sluice::cni
