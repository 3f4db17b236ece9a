// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/record.h"

#include <chrono>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "common/base/hash.h"
#include "common/os/files.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr std::size_t kMaxRecordBytes = 65536;
constexpr std::string_view kSuffix = ".json";

std::string to_json(const Record& record) {
  Json out;
  out["version"] = kVersion;
  out["id"] = record.id;
  out["interface"] = record.interface;
  out["pod"] = record.pod;
  out["netns"] = record.netns;
  out["netnsInode"] = record.netns_inode;
  out["node"] = record.node;
  out["mac"] = record.mac.to_string();
  out["ip"] = record.ip.to_string();
  out["pci"] = record.pci;
  out["hostName"] = record.host_name;
  out["hostMac"] = record.host_mac.to_string();
  out["hostMtu"] = record.host_mtu;
  out["sysfsRoot"] = record.sysfs_root;
  out["vfControlSocket"] = record.vf_control_socket;
  out["portReturned"] = record.port_returned;
  out["podUid"] = record.pod_uid;
  out["others"] = record.others;
  out["first"] = record.first;
  out["given"] = record.given;
  out["givenBy"] = record.given_by;
  if (record.claim) out["claim"] = *record.claim;
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::optional<std::string> claim_of(const Json& json) {
  const auto found = json.find("claim");
  if (found == json.end()) return std::nullopt;
  return found->get<std::string>();
}

Result<Record> from_json(const std::string& text) {
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(Code::kInvalid, "not a JSON object");
  Record out;
  try {  // of nlohmann::json: a field that is missing or has another type
    if (json.at("version").get<int>() != kVersion) {
      return fail(Code::kUnsupported, "version is not 1");
    }
    out.id = json.at("id").get<std::string>();
    out.interface = json.at("interface").get<std::string>();
    out.pod = json.at("pod").get<std::string>();
    out.netns = json.at("netns").get<std::string>();
    out.netns_inode = json.at("netnsInode").get<std::uint64_t>();
    out.node = json.at("node").get<std::string>();
    SLUICE_TRY(out.mac, MacAddr::parse(json.at("mac").get<std::string>()));
    SLUICE_TRY(out.ip, Ipv4::parse(json.at("ip").get<std::string>()));
    out.pci = json.at("pci").get<std::string>();
    out.host_name = json.at("hostName").get<std::string>();
    SLUICE_TRY(out.host_mac, MacAddr::parse(json.at("hostMac").get<std::string>()));
    out.host_mtu = json.at("hostMtu").get<std::uint32_t>();
    out.sysfs_root = json.at("sysfsRoot").get<std::string>();
    out.vf_control_socket = json.at("vfControlSocket").get<std::string>();
    out.port_returned = json.at("portReturned").get<bool>();
    out.pod_uid = json.value("podUid", "");
    out.others = json.value("others", std::vector<std::string>{});
    out.first = json.value("first", "");
    out.given = json.value("given", std::uint64_t{0});
    out.given_by = json.value("givenBy", "");
    out.claim = claim_of(json);
  } catch (const Json::exception& error) {
    return fail(Code::kInvalid, error.what());
  }
  return out;
}

Result<Record> read_record(const std::string& path) {
  SLUICE_TRY(const auto text, os::read_file(path, kMaxRecordBytes));
  auto record = from_json(text);
  if (!record) return fail(std::move(record).error().with("reading the record " + path));
  return record;
}

}  // namespace

std::uint64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  return seconds < 0 ? 0 : static_cast<std::uint64_t>(seconds);
}

std::string id_hash(const std::string& id) {
  char out[17];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(hash_bytes(id)));
  return out;
}

std::string veth_name(const std::string& id) { return "sl" + id_hash(id).substr(0, 11); }

std::string Record::alias() const { return "sluice:" + id_hash(id); }

Result<RecordStore> RecordStore::open(const std::string& state_dir) {
  RecordStore store(state_dir);
  SLUICE_CHECK_OK(os::make_directories(store.directory_, 0700));
  return store;
}

std::string RecordStore::path_of(const std::string& id) const {
  return directory_ + "/" + id_hash(id) + std::string(kSuffix);
}

Result<std::optional<Record>> RecordStore::load(const std::string& id) const {
  auto record = read_record(path_of(id));
  if (!record) {
    if (record.error().code == Code::kNotFound) return std::optional<Record>{};
    return fail(std::move(record).error());
  }
  if (record->id != id) {
    return fail(Code::kInternal, "the record " + path_of(id) + " is of '" + record->id + "'");
  }
  return std::optional<Record>(std::move(*record));
}

Result<std::vector<Record>> RecordStore::load_all() const {
  SLUICE_TRY(const auto root, os::Root::open(directory_));
  SLUICE_TRY(const auto names, root.list("."));
  std::vector<Record> out;
  for (const auto& name : names) {
    if (name.size() != 16 + kSuffix.size() || !name.ends_with(kSuffix)) continue;
    if (auto record = read_record(directory_ + "/" + name)) out.push_back(std::move(*record));
  }
  return out;
}

Status RecordStore::save(const Record& record) const {
  return os::write_file_atomic(path_of(record.id), to_json(record), 0600);
}

Status RecordStore::remove(const std::string& id) const { return os::remove_file(path_of(id)); }

Status RecordStore::remember(const Record& record, std::uint64_t ended) const {
  if (record.pci.empty() || record.pod_uid.empty() || record.given_by.empty()) return {};
  SLUICE_TRY(const auto address, nic::PciAddress::parse(record.pci));
  SLUICE_CHECK_OK(os::make_directories(devices_, 0700));
  Json out;
  out["pod"] = record.pod;
  out["podUid"] = record.pod_uid;
  out["given"] = record.given;
  out["givenBy"] = record.given_by;
  if (record.claim) out["claim"] = *record.claim;
  out["ended"] = ended;
  return os::write_file_atomic(
      devices_ + "/" + address.to_string(),
      out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", 0600);
}

std::optional<LastUse> RecordStore::last_use(const nic::PciAddress& vf) const {
  const auto text = os::read_file(devices_ + "/" + vf.to_string(), kMaxRecordBytes);
  if (!text) return std::nullopt;
  const auto json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  try {  // of nlohmann::json: a field that is missing or has another type
    return LastUse{json.at("pod").get<std::string>(),
                   json.at("podUid").get<std::string>(),
                   json.at("given").get<std::uint64_t>(),
                   json.at("givenBy").get<std::string>(),
                   claim_of(json),
                   json.value("ended", std::uint64_t{0})};
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace sluice::cni
