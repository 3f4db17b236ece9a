// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/journal/legacy.h"

#include <nlohmann/json.hpp>

#include "sriov-cni/journal/fields.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

Result<AttachmentKey> key_of(const std::string& id) {
  const auto slash = id.rfind('/');
  if (slash == std::string::npos || slash == 0) {
    return bad_field("id", id, "<container id>/<interface>");
  }
  AttachmentKey key{id.substr(0, slash), id.substr(slash + 1)};
  SLUICE_CHECK_OK(check_interface_name("id", key.interface));
  return key;
}

Status read_vf(const Json& json, Record& out) {
  out.kind = PortKind::kNetdev;
  VfHome home;
  SLUICE_TRY(const auto address, nic::PciAddress::parse(json.at("pci").get<std::string>()));
  home.pci = address.to_string();
  home.name = json.at("hostName").get<std::string>();
  SLUICE_CHECK_OK(check_interface_name("hostName", home.name));
  SLUICE_TRY(home.mac, MacAddr::parse(json.at("hostMac").get<std::string>()));
  home.mtu = json.at("hostMtu").get<std::uint32_t>();
  home.attributes.mac = MacAddr{};
  home.sysfs_root = json.at("sysfsRoot").get<std::string>();
  home.vf_control_socket = json.at("vfControlSocket").get<std::string>();
  out.vf = std::move(home);
  return {};
}

Status read_port(const Json& json, Record& out) {
  SLUICE_TRY(out.mac, MacAddr::parse(json.at("mac").get<std::string>()));
  if (!json.at("pci").get<std::string>().empty()) return read_vf(json, out);
  out.veth = json.at("hostName").get<std::string>();
  return check_interface_name("hostName", out.veth);
}

Status read_address(const Json& json, Record& out) {
  SLUICE_TRY(const auto ip, Ipv4::parse(json.at("ip").get<std::string>()));
  out.ipam.kind = IpamKind::kNodeBlock;
  out.ipam.node = json.at("node").get<std::string>();
  out.result.interfaces.push_back(
      {out.key.interface, out.mac.to_string(), 0, out.netns, {}, out.vf ? out.vf->pci : ""});
  CniAddress address;
  address.address = {IpAddr::from(ip), 32};
  address.interface = 0;
  out.result.addresses.push_back(address);
  return {};
}

Status read_family(const Json& json, Record& out) {
  for (const auto& id : json.value("others", std::vector<std::string>{})) {
    SLUICE_TRY(const auto key, key_of(id));
    out.others.push_back(key.interface);
  }
  const auto first = json.value("first", "");
  if (first.empty()) return {};
  SLUICE_TRY(const auto key, key_of(first));
  out.first = key.interface;
  return {};
}

Result<Record> read_all(const Json& json) {
  Record out;
  SLUICE_TRY(out.key, key_of(json.at("id").get<std::string>()));
  out.stage = json.at("portReturned").get<bool>() ? Stage::kPortReturned : Stage::kAttached;
  out.pod = json.at("pod").get<std::string>();
  out.pod_uid = json.value("podUid", "");
  out.netns = json.at("netns").get<std::string>();
  out.netns_inode = json.at("netnsInode").get<std::uint64_t>();
  SLUICE_CHECK_OK(read_port(json, out));
  SLUICE_CHECK_OK(read_address(json, out));
  out.engine = EngineState::kTold;
  SLUICE_CHECK_OK(read_family(json, out));
  out.given = json.value("given", std::uint64_t{0});
  out.given_by = json.value("givenBy", "");
  if (json.contains("claim")) out.claim = json.at("claim").get<std::string>();
  return out;
}

}  // namespace

Result<Record> parse_record_v1(std::string_view object) {
  const auto json = Json::parse(object, nullptr, false);
  if (!json.is_object()) return fail(Code::kInvalid, "not a JSON object");
  try {  // of nlohmann::json: a field that is missing or has another type
    return read_all(json);
  } catch (const Json::exception& error) {
    return fail(Code::kInvalid, error.what());
  }
}

}  // namespace sluice::cni
