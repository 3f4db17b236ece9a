// SPDX-License-Identifier: Apache-2.0
// The file format of a baseline. Unknown keys are left alone: they are of a version between.
#include <charconv>
#include <iterator>

#include <nlohmann/json.hpp>

#include "common/nic/baseline.h"

namespace sluice::nic {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;
constexpr std::size_t kMaxText = 255, kMaxJson = 64U << 10U;
constexpr std::size_t kGuidDigits = 16;
constexpr const char* kLinkStates[] = {"auto", "enable", "disable"};

tl::unexpected<Error> refuse(const std::string& field, const json& value, const char* allowed) {
  // Writing out what is nested would go as deep as a hostile file does.
  const std::string shown =
      value.is_structured()
          ? std::string("an ") + value.type_name()
          : value.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 200);
  return fail(Code::kInvalid, field + " is " + shown + "; allowed is " + allowed);
}

Status take_text(const json& object, const char* field, std::string& into) {
  const auto at = object.find(field);
  if (at == object.end()) return fail(Code::kInvalid, std::string(field) + " is missing");
  const auto* const text = at->get_ptr<const std::string*>();
  if (text == nullptr || text->size() > kMaxText) {
    return refuse(field, *at, "a text of at most 255 bytes");
  }
  into = *text;
  return {};
}

template <class T>
Status take_number(const json& object, const char* field, std::optional<T>& into,
                   std::uint64_t limit = std::numeric_limits<T>::max()) {
  const auto at = object.find(field);
  if (at == object.end()) return {};
  if (!at->is_number_unsigned() || at->template get<std::uint64_t>() > limit) {
    return refuse(field, *at, ("a number from 0 to " + std::to_string(limit)).c_str());
  }
  into = static_cast<T>(at->template get<std::uint64_t>());
  return {};
}

template <class T>
Status need_number(const json& object, const char* field, T& into) {
  std::optional<T> value;
  SLUICE_CHECK_OK(take_number(object, field, value));
  if (!value) return fail(Code::kInvalid, std::string(field) + " is missing");
  into = *value;
  return {};
}

Status take_flag(const json& object, const char* field, std::optional<bool>& into) {
  const auto at = object.find(field);
  if (at == object.end()) return {};
  if (!at->is_boolean()) return refuse(field, *at, "true or false");
  into = at->get<bool>();
  return {};
}

Status take_address(const json& object, const char* field, PciAddress& into) {
  std::string text;
  SLUICE_CHECK_OK(take_text(object, field, text));
  auto address = PciAddress::parse(text);
  if (!address) return fail(std::move(address).error().with(std::string("reading ") + field));
  into = *address;
  return {};
}

Status take_mac(const json& object, const char* field, MacAddr& into) {
  std::string text;
  SLUICE_CHECK_OK(take_text(object, field, text));
  auto mac = MacAddr::parse(text);
  if (!mac) return fail(std::move(mac).error().with(std::string("reading ") + field));
  into = *mac;
  return {};
}

// As text: a number of 64 bits is more than other readers of JSON have.
Status take_guid(const json& object, const char* field, std::optional<std::uint64_t>& into) {
  if (!object.contains(field)) return {};
  std::string text;
  SLUICE_CHECK_OK(take_text(object, field, text));
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, value, 16);
  if (text.size() != kGuidDigits || error != std::errc{} || next != end) {
    return refuse(field, text, "a text of 16 hexadecimal digits");
  }
  into = value;
  return {};
}

std::string guid_text(std::uint64_t guid) {
  char digits[kGuidDigits];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), guid, 16).ptr;
  const std::string text(digits, end);
  return std::string(kGuidDigits - text.size(), '0') + text;
}

Status take_link_state(const json& object, VfAttributes& into) {
  const auto at = object.find("linkState");
  if (at == object.end()) return {};
  for (std::size_t i = 0; i < std::size(kLinkStates); ++i) {
    if (*at != kLinkStates[i]) continue;
    into.link_state = static_cast<netlink::VfLinkState>(i);
    return {};
  }
  return refuse("linkState", *at, "auto, enable or disable");
}

Status take_attributes(const json& object, VfAttributes& into) {
  if (object.contains("mac")) {
    MacAddr mac;
    SLUICE_CHECK_OK(take_mac(object, "mac", mac));
    into.mac = mac;
  }
  SLUICE_CHECK_OK(take_number(object, "vlan", into.vlan, 4095));
  SLUICE_CHECK_OK(take_number(object, "qos", into.qos, 7));
  SLUICE_CHECK_OK(take_number(object, "vlanProtocol", into.vlan_protocol));
  SLUICE_CHECK_OK(take_flag(object, "spoofCheck", into.spoof_check));
  SLUICE_CHECK_OK(take_flag(object, "trust", into.trust));
  SLUICE_CHECK_OK(take_flag(object, "rssQuery", into.rss_query));
  SLUICE_CHECK_OK(take_number(object, "minRateMbps", into.min_rate_mbps));
  SLUICE_CHECK_OK(take_number(object, "maxRateMbps", into.max_rate_mbps));
  SLUICE_CHECK_OK(take_guid(object, "nodeGuid", into.node_guid));
  SLUICE_CHECK_OK(take_guid(object, "portGuid", into.port_guid));
  return take_link_state(object, into);
}

Result<const json*> member_object(const json& object, const char* field) {
  const auto at = object.find(field);
  if (at == object.end()) return nullptr;
  if (!at->is_object()) return refuse(field, *at, "an object");
  return &*at;
}

template <class T>
void put(json& object, const char* field, const std::optional<T>& value) {
  if (value) object[field] = *value;
}

}  // namespace

std::string to_json(const Baseline& baseline) {
  const VfAttributes& a = baseline.attributes;
  json attributes = json::object();
  if (a.mac) attributes["mac"] = a.mac->to_string();
  put(attributes, "vlan", a.vlan);
  put(attributes, "qos", a.qos);
  put(attributes, "vlanProtocol", a.vlan_protocol);
  put(attributes, "spoofCheck", a.spoof_check);
  put(attributes, "trust", a.trust);
  put(attributes, "rssQuery", a.rss_query);
  put(attributes, "minRateMbps", a.min_rate_mbps);
  put(attributes, "maxRateMbps", a.max_rate_mbps);
  if (a.node_guid) attributes["nodeGuid"] = guid_text(*a.node_guid);
  if (a.port_guid) attributes["portGuid"] = guid_text(*a.port_guid);
  if (a.link_state) attributes["linkState"] = kLinkStates[static_cast<std::size_t>(*a.link_state)];
  json object = {{"version", kVersion},           {"vf", baseline.vf.to_string()},
                 {"pf", baseline.pf.to_string()}, {"index", baseline.index},
                 {"vendor", baseline.vendor},     {"device", baseline.device},
                 {"driver", baseline.driver},     {"attributes", std::move(attributes)}};
  if (!baseline.generation.empty()) object["generation"] = baseline.generation;
  if (baseline.netdev) {
    object["netdev"] = {{"name", baseline.netdev->name},
                        {"mac", baseline.netdev->mac.to_string()},
                        {"mtu", baseline.netdev->mtu}};
  }
  // A driver's or netdev's name is any bytes.
  return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<Baseline> parse_baseline(std::string_view text) {
  if (text.size() > kMaxJson) {
    return fail(Code::kInvalid, "a baseline has " + std::to_string(text.size()) +
                                    " bytes; allowed are " + std::to_string(kMaxJson));
  }
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return fail(Code::kInvalid, "a baseline must be a JSON object");
  std::uint32_t version = 0;
  SLUICE_CHECK_OK(need_number(object, "version", version));
  if (version != kVersion) {
    return fail(
        version > kVersion ? Code::kUnsupported : Code::kInvalid,
        "version is " + std::to_string(version) + "; allowed is " + std::to_string(kVersion));
  }
  Baseline baseline;
  SLUICE_CHECK_OK(take_address(object, "vf", baseline.vf));
  SLUICE_CHECK_OK(take_address(object, "pf", baseline.pf));
  SLUICE_CHECK_OK(need_number(object, "index", baseline.index));
  SLUICE_CHECK_OK(need_number(object, "vendor", baseline.vendor));
  SLUICE_CHECK_OK(need_number(object, "device", baseline.device));
  SLUICE_CHECK_OK(take_text(object, "driver", baseline.driver));
  if (object.contains("generation")) {
    SLUICE_CHECK_OK(take_text(object, "generation", baseline.generation));
  }
  SLUICE_TRY(const json* const netdev, member_object(object, "netdev"));
  if (netdev != nullptr) {
    Baseline::Interface interface;
    SLUICE_CHECK_OK(take_text(*netdev, "name", interface.name));
    SLUICE_CHECK_OK(take_mac(*netdev, "mac", interface.mac));
    SLUICE_CHECK_OK(need_number(*netdev, "mtu", interface.mtu));
    baseline.netdev = std::move(interface);
  }
  SLUICE_TRY(const json* const attributes, member_object(object, "attributes"));
  if (attributes != nullptr) SLUICE_CHECK_OK(take_attributes(*attributes, baseline.attributes));
  return baseline;
}

}  // namespace sluice::nic
