// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/journal/fields.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

namespace sluice::cni {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxListed = 4096;  // of any list: VLAN ranges are the longest
constexpr std::string_view kResultVersion = "1.1.0";

template <class T>
struct Named {
  T value;
  std::string_view name;
};
// clang 14 doesn't find it by itself.
template <class T>
Named(T, const char*) -> Named<T>;

constexpr std::array kStages = {Named{Stage::kBegun, "begun"}, Named{Stage::kAttached, "attached"},
                                Named{Stage::kPortReturned, "portReturned"}};
constexpr std::array kPorts = {Named{PortKind::kVeth, "veth"}, Named{PortKind::kNetdev, "netdev"},
                               Named{PortKind::kUserSpace, "userSpace"}};
constexpr std::array kEngines = {Named{EngineState::kNone, "none"},
                                 Named{EngineState::kTold, "told"},
                                 Named{EngineState::kPending, "pending"}};
constexpr std::array kIpams = {
    Named{IpamKind::kNone, "none"}, Named{IpamKind::kNodeBlock, "nodeBlock"},
    Named{IpamKind::kPool, "pool"}, Named{IpamKind::kDelegate, "delegate"}};
constexpr std::array kRdmaUses = {Named{RdmaUse::kOff, "off"}, Named{RdmaUse::kAuto, "auto"},
                                  Named{RdmaUse::kShared, "shared"},
                                  Named{RdmaUse::kExclusive, "exclusive"}};
constexpr std::array kLinkStates = {Named{netlink::VfLinkState::kAuto, "auto"},
                                    Named{netlink::VfLinkState::kEnable, "enable"},
                                    Named{netlink::VfLinkState::kDisable, "disable"}};

template <class T, std::size_t N>
std::string name_of(const std::array<Named<T>, N>& names, T value) {
  for (const auto& named : names) {
    if (named.value == value) return std::string(named.name);
  }
  return "";
}

template <class T, std::size_t N>
Status read_named(const Json& json, const char* field, const std::array<Named<T>, N>& names,
                  T& out) {
  const auto text = json.at(field).get<std::string>();
  std::string allowed;
  for (const auto& named : names) {
    if (named.name == text) {
      out = named.value;
      return {};
    }
    allowed += (allowed.empty() ? "" : ", ") + std::string(named.name);
  }
  return bad_field(field, text, allowed);
}

// A number that JSON has, but its field can't.
template <class T>
Status read_number(const Json& json, const char* field, T& out) {
  const auto& value = json.at(field);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<T>::max()) {
    return bad_field(field, value.dump(-1, ' ', false, Json::error_handler_t::replace),
                     "0 to " + std::to_string(std::numeric_limits<T>::max()));
  }
  out = value.get<T>();
  return {};
}

template <class T>
Status read_optional_number(const Json& json, const char* field, std::optional<T>& out) {
  if (!json.contains(field)) return {};
  return read_number(json, field, out.emplace());
}

void read_optional_bool(const Json& json, const char* field, std::optional<bool>& out) {
  if (json.contains(field)) out = json.at(field).get<bool>();
}

Status read_optional_mac(const Json& json, const char* field, std::optional<MacAddr>& out) {
  if (!json.contains(field)) return {};
  SLUICE_TRY(out, MacAddr::parse(json.at(field).get<std::string>()));
  return {};
}

Result<const Json*> list_at(const Json& json, const char* field) {
  const auto& list = json.at(field);
  if (!list.is_array() || list.size() > kMaxListed) {
    return bad_field(field, list.type_name(),
                     "a list of at most " + std::to_string(kMaxListed) + " elements");
  }
  return &list;
}

Result<std::vector<std::string>> read_strings(const Json& json, const char* field) {
  SLUICE_TRY(const auto* list, list_at(json, field));
  return list->get<std::vector<std::string>>();
}

template <class T>
void put_optional(Json& json, const char* field, const std::optional<T>& value) {
  if (value) json[field] = *value;
}

Json attributes_json(const netlink::VfAttributes& a) {
  Json out = Json::object();
  if (a.mac) out["mac"] = a.mac->to_string();
  put_optional(out, "vlan", a.vlan);
  put_optional(out, "qos", a.qos);
  put_optional(out, "vlanProtocol", a.vlan_protocol);
  put_optional(out, "spoofCheck", a.spoof_check);
  put_optional(out, "trust", a.trust);
  put_optional(out, "rssQuery", a.rss_query);
  if (a.link_state) out["linkState"] = name_of(kLinkStates, *a.link_state);
  put_optional(out, "minRate", a.min_rate_mbps);
  put_optional(out, "maxRate", a.max_rate_mbps);
  put_optional(out, "nodeGuid", a.node_guid);
  put_optional(out, "portGuid", a.port_guid);
  return out;
}

Result<netlink::VfAttributes> attributes_from(const Json& json) {
  netlink::VfAttributes out;
  SLUICE_CHECK_OK(read_optional_mac(json, "mac", out.mac));
  SLUICE_CHECK_OK(read_optional_number(json, "vlan", out.vlan));
  SLUICE_CHECK_OK(read_optional_number(json, "qos", out.qos));
  SLUICE_CHECK_OK(read_optional_number(json, "vlanProtocol", out.vlan_protocol));
  read_optional_bool(json, "spoofCheck", out.spoof_check);
  read_optional_bool(json, "trust", out.trust);
  read_optional_bool(json, "rssQuery", out.rss_query);
  if (json.contains("linkState")) {
    SLUICE_CHECK_OK(read_named(json, "linkState", kLinkStates, out.link_state.emplace()));
  }
  SLUICE_CHECK_OK(read_optional_number(json, "minRate", out.min_rate_mbps));
  SLUICE_CHECK_OK(read_optional_number(json, "maxRate", out.max_rate_mbps));
  SLUICE_CHECK_OK(read_optional_number(json, "nodeGuid", out.node_guid));
  SLUICE_CHECK_OK(read_optional_number(json, "portGuid", out.port_guid));
  return out;
}

Json trunk_json(const std::vector<VlanRange>& trunk) {
  Json out = Json::array();
  for (const auto& range : trunk) out.push_back({range.first, range.last});
  return out;
}

Result<std::vector<VlanRange>> trunk_from(const Json& json) {
  SLUICE_TRY(const auto* list, list_at(json, "trunk"));
  std::vector<VlanRange> out;
  for (const auto& range : *list) {
    const auto ends = range.get<std::vector<std::uint32_t>>();
    if (ends.size() != 2 || ends[0] < 1 || ends[0] > ends[1] || ends[1] > 4094) {
      return bad_field("trunk", range.dump(-1, ' ', false, Json::error_handler_t::replace),
                       "[first, last] of 1 to 4094");
    }
    out.push_back({static_cast<std::uint16_t>(ends[0]), static_cast<std::uint16_t>(ends[1])});
  }
  return out;
}

Json home_json(const VfHome& home) {
  return {{"pci", home.pci},
          {"pf", home.pf},
          {"index", home.index},
          {"name", home.name},
          {"mac", home.mac.to_string()},
          {"mtu", home.mtu},
          {"txQueueLength", home.tx_queue_length},
          {"altnames", home.altnames},
          {"linkKind", home.link_kind},
          {"hasParent", home.has_parent},
          {"linkIndex", home.link_index},
          {"linkPeer", home.link_peer},
          {"alias", home.alias},
          {"up", home.up},
          {"driver", home.driver},
          {"attributes", attributes_json(home.attributes)},
          {"trunk", trunk_json(home.trunk)},
          {"sysfsRoot", home.sysfs_root},
          {"vfControlSocket", home.vf_control_socket}};
}

// Records of before don't have them.
Status read_newer_home(const Json& json, VfHome& out) {
  out.has_parent = json.value("hasParent", false);
  out.up = json.value("up", false);
  out.alias = json.value("alias", "");
  out.driver = json.value("driver", "");
  if (json.contains("linkIndex")) SLUICE_CHECK_OK(read_number(json, "linkIndex", out.link_index));
  if (json.contains("linkPeer")) SLUICE_CHECK_OK(read_number(json, "linkPeer", out.link_peer));
  return {};
}

Result<VfHome> home_from(const Json& json) {
  VfHome out;
  SLUICE_TRY(const auto pci, nic::PciAddress::parse(json.at("pci").get<std::string>()));
  out.pci = pci.to_string();
  out.pf = json.at("pf").get<std::string>();
  SLUICE_CHECK_OK(read_number(json, "index", out.index));
  out.name = json.at("name").get<std::string>();
  if (!out.name.empty()) SLUICE_CHECK_OK(check_interface_name("vf.name", out.name));
  SLUICE_TRY(out.mac, MacAddr::parse(json.at("mac").get<std::string>()));
  SLUICE_CHECK_OK(read_number(json, "mtu", out.mtu));
  SLUICE_CHECK_OK(read_number(json, "txQueueLength", out.tx_queue_length));
  SLUICE_TRY(out.altnames, read_strings(json, "altnames"));
  out.link_kind = json.at("linkKind").get<std::string>();
  SLUICE_CHECK_OK(read_newer_home(json, out));
  SLUICE_TRY(out.attributes, attributes_from(json.at("attributes")));
  SLUICE_TRY(out.trunk, trunk_from(json));
  out.sysfs_root = json.at("sysfsRoot").get<std::string>();
  out.vf_control_socket = json.at("vfControlSocket").get<std::string>();
  return out;
}

Json wish_json(const VfWish& wish) {
  Json out;
  out["attributes"] = attributes_json(wish.attributes);
  out["trunk"] = trunk_json(wish.trunk);
  put_optional(out, "pkey", wish.pkey);
  if (wish.mac) out["mac"] = wish.mac->to_string();
  put_optional(out, "mtu", wish.mtu);
  put_optional(out, "promiscuous", wish.promiscuous);
  put_optional(out, "allMulticast", wish.all_multicast);
  out["rdma"] = name_of(kRdmaUses, wish.rdma);
  out["userSpaceOnly"] = wish.user_space_only;
  return out;
}

Result<VfWish> wish_from(const Json& json) {
  VfWish out;
  SLUICE_TRY(out.attributes, attributes_from(json.at("attributes")));
  SLUICE_TRY(out.trunk, trunk_from(json));
  SLUICE_CHECK_OK(read_optional_number(json, "pkey", out.pkey));
  SLUICE_CHECK_OK(read_optional_mac(json, "mac", out.mac));
  SLUICE_CHECK_OK(read_optional_number(json, "mtu", out.mtu));
  read_optional_bool(json, "promiscuous", out.promiscuous);
  read_optional_bool(json, "allMulticast", out.all_multicast);
  SLUICE_CHECK_OK(read_named(json, "rdma", kRdmaUses, out.rdma));
  out.user_space_only = json.at("userSpaceOnly").get<bool>();
  return out;
}

Json ipam_json(const IpamSource& source) {
  return {{"kind", name_of(kIpams, source.kind)},
          {"stateDir", source.state_dir},
          {"network", source.network},
          {"node", source.node},
          {"block", source.block},
          {"gateway", source.gateway},
          {"rail", source.rail},
          {"type", source.type},
          {"text", source.text},
          {"pluginPath", source.plugin_path}};
}

Result<IpamSource> ipam_from(const Json& json) {
  IpamSource out;
  SLUICE_CHECK_OK(read_named(json, "kind", kIpams, out.kind));
  out.state_dir = json.at("stateDir").get<std::string>();
  out.network = json.at("network").get<std::string>();
  out.node = json.at("node").get<std::string>();
  out.block = json.at("block").get<std::string>();
  out.gateway = json.at("gateway").get<std::string>();
  SLUICE_TRY(out.rail, read_strings(json, "rail"));
  out.type = json.at("type").get<std::string>();
  out.text = json.at("text").get<std::string>();
  out.plugin_path = json.at("pluginPath").get<std::string>();
  return out;
}

Json mappings_json(const std::vector<PortMapping>& mappings) {
  Json out = Json::array();
  for (const auto& mapping : mappings) {
    Json one;
    one["hostPort"] = mapping.host_port;
    one["containerPort"] = mapping.container_port;
    one["protocol"] = mapping.protocol;
    if (mapping.host_ip) one["hostIP"] = mapping.host_ip->to_string();
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::vector<PortMapping>> mappings_from(const Json& json) {
  SLUICE_TRY(const auto* list, list_at(json, "portMappings"));
  std::vector<PortMapping> out;
  for (const auto& one : *list) {
    PortMapping mapping;
    SLUICE_CHECK_OK(read_number(one, "hostPort", mapping.host_port));
    SLUICE_CHECK_OK(read_number(one, "containerPort", mapping.container_port));
    mapping.protocol = one.at("protocol").get<std::string>();
    if (one.contains("hostIP")) {
      SLUICE_TRY(mapping.host_ip, IpAddr::parse(one.at("hostIP").get<std::string>()));
    }
    out.push_back(std::move(mapping));
  }
  return out;
}

// What has no other shape than the specification's is written by whoever knows that.
Json result_json(const CniResult& result) {
  const auto text = print_result(kResultVersion, result);
  return text ? Json::parse(*text, nullptr, false) : Json(nullptr);
}

Result<CniResult> result_from(const Json& json) {
  if (!json.is_object()) return bad_field("result", json.type_name(), "an object");
  auto result =
      parse_result(json.dump(-1, ' ', false, Json::error_handler_t::replace), kResultVersion);
  if (result) return result;
  return fail(Code::kInvalid, "result: " + result.error().message);
}

Status read_port(const Json& json, Record& out) {
  SLUICE_CHECK_OK(read_named(json, "kind", kPorts, out.kind));
  out.veth = json.at("veth").get<std::string>();
  if (!out.veth.empty()) SLUICE_CHECK_OK(check_interface_name("veth", out.veth));
  if (json.contains("vf")) {
    SLUICE_TRY(out.vf, home_from(json.at("vf")));
  }
  if (out.kind == PortKind::kVeth ? out.veth.empty() : !out.vf) {
    return bad_field("kind", json.at("kind").get<std::string>(), "what there is a device of");
  }
  SLUICE_TRY(out.wish, wish_from(json.at("wish")));
  SLUICE_TRY(out.rdma, read_strings(json, "rdma"));
  SLUICE_TRY(out.mac, MacAddr::parse(json.at("mac").get<std::string>()));
  return read_number(json, "mtu", out.mtu);
}

Status read_engine(const Json& json, Record& out) {
  SLUICE_CHECK_OK(read_named(json, "engine", kEngines, out.engine));
  out.engine_socket = json.at("engineSocket").get<std::string>();
  out.pending_directory = json.at("pendingDirectory").get<std::string>();
  SLUICE_TRY(out.port_mappings, mappings_from(json));
  return {};
}

Result<Record> read_all(const Json& json) {
  Record out;
  out.key.container_id = json.at("containerId").get<std::string>();
  out.key.interface = json.at("interface").get<std::string>();
  SLUICE_CHECK_OK(check_interface_name("interface", out.key.interface));
  SLUICE_CHECK_OK(read_named(json, "stage", kStages, out.stage));
  out.network = json.at("network").get<std::string>();
  if (json.contains("networkReference")) {
    out.network_reference = json.at("networkReference").get<std::string>();
  }
  out.pod = json.at("pod").get<std::string>();
  out.pod_uid = json.at("podUid").get<std::string>();
  // Records of before don't have it.
  if (json.contains("args")) out.args = json.at("args").get<std::string>();
  // A hint for delegates: what can't be kept is none, and no reason to lose the record.
  if (out.args.size() > kMaxArgs) out.args.clear();
  out.netns = json.at("netns").get<std::string>();
  SLUICE_CHECK_OK(read_number(json, "netnsInode", out.netns_inode));
  out.boot = json.at("boot").get<std::string>();
  SLUICE_CHECK_OK(read_port(json, out));
  SLUICE_TRY(out.ipam, ipam_from(json.at("ipam")));
  SLUICE_TRY(out.result, result_from(json.at("result")));
  SLUICE_CHECK_OK(read_engine(json, out));
  out.device_info_file = json.at("deviceInfoFile").get<std::string>();
  SLUICE_TRY(out.others, read_strings(json, "others"));
  out.first = json.at("first").get<std::string>();
  SLUICE_CHECK_OK(read_number(json, "given", out.given));
  out.given_by = json.at("givenBy").get<std::string>();
  if (json.contains("claim")) out.claim = json.at("claim").get<std::string>();
  return out;
}

}  // namespace

tl::unexpected<Error> bad_field(std::string_view field, std::string_view value,
                                std::string_view allowed) {
  constexpr std::size_t kShown = 200;
  std::string message(field);
  message += " '" + std::string(value.substr(0, kShown)) + (value.size() > kShown ? "..." : "");
  message += "' isn't allowed, but " + std::string(allowed);
  return fail(Code::kInvalid, std::move(message));
}

Status check_interface_name(std::string_view field, const std::string& name) {
  const bool bad_letter = std::any_of(name.begin(), name.end(), [](unsigned char c) {
    return c <= ' ' || c == '/' || c == ':' || c == 0x7f;
  });
  if (!name.empty() && name.size() <= 15 && name != "." && name != ".." && !bad_letter) return {};
  return bad_field(field, name, "a link's name: 1 to 15 characters without '/', ':' and spaces");
}

std::string print_fields(const Record& record) {
  Json out;
  out["containerId"] = record.key.container_id;
  out["interface"] = record.key.interface;
  out["stage"] = name_of(kStages, record.stage);
  out["network"] = record.network;
  if (!record.network_reference.empty()) out["networkReference"] = record.network_reference;
  out["pod"] = record.pod;
  out["podUid"] = record.pod_uid;
  if (!record.args.empty() && record.args.size() <= kMaxArgs) out["args"] = record.args;
  out["netns"] = record.netns;
  out["netnsInode"] = record.netns_inode;
  out["boot"] = record.boot;
  out["kind"] = name_of(kPorts, record.kind);
  out["veth"] = record.veth;
  if (record.vf) out["vf"] = home_json(*record.vf);
  out["wish"] = wish_json(record.wish);
  out["rdma"] = record.rdma;
  out["mac"] = record.mac.to_string();
  out["mtu"] = record.mtu;
  out["ipam"] = ipam_json(record.ipam);
  out["result"] = result_json(record.result);
  out["engine"] = name_of(kEngines, record.engine);
  out["engineSocket"] = record.engine_socket;
  out["pendingDirectory"] = record.pending_directory;
  out["portMappings"] = mappings_json(record.port_mappings);
  out["deviceInfoFile"] = record.device_info_file;
  out["others"] = record.others;
  out["first"] = record.first;
  out["given"] = record.given;
  out["givenBy"] = record.given_by;
  if (record.claim) out["claim"] = *record.claim;
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Record> parse_fields(std::string_view object) {
  const auto json = Json::parse(object, nullptr, false);
  if (!json.is_object()) return fail(Code::kInvalid, "the record isn't a JSON object");
  try {  // of nlohmann::json: a field that is missing or has another type
    return read_all(json);
  } catch (const Json::exception& error) {
    return fail(Code::kInvalid, error.what());
  }
}

}  // namespace sluice::cni
