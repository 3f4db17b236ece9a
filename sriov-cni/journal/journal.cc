// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/journal/journal.h"

#include <cerrno>
#include <chrono>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "common/os/files.h"
#include "sriov-cni/journal/leftovers.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::ordered_json;

// A record holds a configuration of kMaxConfigBytes at most, and escapes may double it.
constexpr std::size_t kMaxRecordBytes = std::size_t{12} << 20U;
constexpr std::size_t kMaxDeviceBytes = 65536;
constexpr std::size_t kMaxIdBytes = 512;
constexpr std::size_t kMaxRecords = 65536;
constexpr std::string_view kSuffix = ".json";

Result<Record> read_record(const std::string& path, const std::string& state_dir) {
  SLUICE_TRY(const auto text, os::read_file(path, kMaxRecordBytes));
  auto record = parse_record(text);
  if (!record) return fail(std::move(record).error().with("reading the record " + path));
  // The first version didn't say where the addresses are: beside it.
  if (record->ipam.kind == IpamKind::kNodeBlock && record->ipam.state_dir.empty()) {
    record->ipam.state_dir = state_dir;
  }
  return record;
}

bool is_record_name(const std::string& name) {
  return name.size() == 16 + kSuffix.size() && name.ends_with(kSuffix) &&
         name.find_first_not_of("0123456789abcdef") == 16;
}

}  // namespace

std::uint64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  return seconds < 0 ? 0 : static_cast<std::uint64_t>(seconds);
}

Result<std::string> boot_id() {
  SLUICE_TRY(auto text, os::read_file("/proc/sys/kernel/random/boot_id", 128));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Journal::Journal(const std::string& state_dir)
    : state_dir_(state_dir),
      directory_(state_dir + "/attachments"),
      devices_(state_dir + "/devices"),
      holders_(state_dir + "/holders") {}

Result<Journal> Journal::open(const std::string& state_dir) {
  Journal journal(state_dir);
  SLUICE_CHECK_OK(os::make_directories(journal.directory_, 0700));
  return journal;
}

Result<Journal> Journal::open_existing(const std::string& state_dir) {
  SLUICE_TRY([[maybe_unused]] const auto root, os::Root::open(state_dir));
  return Journal(state_dir);
}

std::string Journal::path_of(const std::string& id) const {
  return directory_ + "/" + id_hash(id) + std::string(kSuffix);
}

Result<std::optional<Record>> Journal::load(const std::string& id) const {
  auto record = read_record(path_of(id), state_dir_);
  if (!record) {
    if (record.error().code == Code::kNotFound) return std::optional<Record>{};
    return fail(std::move(record).error());
  }
  if (record->id() != id) {
    return fail(Code::kInvalid, "the record " + path_of(id) + " is of '" + record->id() + "'");
  }
  return std::optional<Record>(std::move(*record));
}

Result<Journal::Contents> Journal::load_all() const {
  const auto root = os::Root::open(directory_);
  if (!root && root.error().code == Code::kNotFound) return Contents{};  // nothing was attached yet
  if (!root) return fail(root.error());
  SLUICE_TRY(const auto names, root->list("."));
  if (names.size() > kMaxRecords) {
    return fail(Code::kExhausted, directory_ + " has " + std::to_string(names.size()) +
                                      " files; at most " + std::to_string(kMaxRecords) +
                                      " are looked through");
  }
  Contents out;
  for (const auto& name : names) {
    if (!is_record_name(name)) continue;
    const auto path = directory_ + "/" + name;
    auto record = read_record(path, state_dir_);
    if (record && path_of(record->id()) == path) {
      out.records.push_back(std::move(*record));
    } else if (!record && record.error().code == Code::kUnsupported) {
      out.newer.push_back(path);
    } else if (record ||
               record.error().code != Code::kNotFound) {  // else removed since the listing
      out.damaged.push_back(path);
    }
  }
  return out;
}

Status Journal::save(const Record& record) const {
  // Before the record: from it on, the VF may be the pod's.
  if (record.kind == PortKind::kUserSpace && record.vf && record.stage == Stage::kBegun) {
    SLUICE_CHECK_OK(os::make_directories(holders_, 0700));
    SLUICE_CHECK_OK(os::write_file_atomic(holders_ + "/" + record.vf->pci, record.id(), 0600));
  }
  const auto text = print_record(record);
  if (text.size() > kMaxRecordBytes) {
    return fail(Code::kInvalid, "the record of " + record.id() + " has " +
                                    std::to_string(text.size()) + " bytes; at most " +
                                    std::to_string(kMaxRecordBytes) + " are kept");
  }
  return os::write_file_atomic(path_of(record.id()), text, 0600);
}

Status Journal::remove(const std::string& id) const { return os::remove_file(path_of(id)); }

Result<std::vector<std::string>> Journal::leftovers() const {
  SLUICE_TRY(auto out, leftovers_in(directory_));
  for (auto& name : out) name = directory_ + "/" + name;
  return out;
}

Status Journal::remove_leftovers_of(const std::string& id) const {
  return remove_leftovers(path_of(id));
}

Status Journal::set_aside(const std::string& id) const { return set_aside_file(path_of(id)); }

Status Journal::set_aside_file(const std::string& path) const {
  const auto name = path.substr(path.rfind('/') + 1);
  if (!is_record_name(name)) {
    return fail(Code::kInvalid, "'" + path.substr(0, 200) + "' is no record's file");
  }
  const auto place = state_dir_ + "/damaged";
  SLUICE_CHECK_OK(os::make_directories(place, 0700));
  SLUICE_TRY(const auto root, os::Root::open(place));
  auto to = name;
  for (int n = 1; root.exists(to) && n < 1000; ++n) to = name + "." + std::to_string(n);
  if (::rename((directory_ + "/" + name).c_str(), (place + "/" + to).c_str()) == 0) return {};
  if (errno == ENOENT) return {};
  return fail_errno(errno, "move " + path + " to " + place);
}

std::optional<std::string> Journal::holder_of(const nic::PciAddress& vf) const {
  const auto id = os::read_file(holders_ + "/" + vf.to_string(), kMaxIdBytes);
  if (!id || id->empty()) return std::nullopt;
  return *id;
}

Status Journal::forget_holder(const Record& record) const {
  if (!record.vf || record.kind != PortKind::kUserSpace) return {};
  const auto vf = nic::PciAddress::parse(record.vf->pci);
  if (!vf || holder_of(*vf) != record.id()) return {};
  return os::remove_file(holders_ + "/" + vf->to_string());
}

Result<std::map<std::string, std::string>> Journal::holders() const {
  std::map<std::string, std::string> out;
  const auto root = os::Root::open(holders_);
  if (!root && root.error().code == Code::kNotFound) return out;
  if (!root) return fail(root.error());
  SLUICE_TRY(const auto names, root->list("."));
  for (const auto& name : names) {
    const auto vf = nic::PciAddress::parse(name);
    if (!vf) continue;
    if (auto id = holder_of(*vf)) out.emplace(name, std::move(*id));
  }
  return out;
}

Status Journal::remember(const Record& record, std::uint64_t ended) const {
  if (!record.vf || record.pod_uid.empty() || record.given_by.empty()) return {};
  SLUICE_TRY(const auto address, nic::PciAddress::parse(record.vf->pci));
  SLUICE_CHECK_OK(os::make_directories(devices_, 0700));
  SLUICE_CHECK_OK(remove_leftovers(devices_ + "/" + address.to_string()));
  Json out;
  out["pod"] = record.pod;
  out["podUid"] = record.pod_uid;
  out["given"] = record.given;
  out["givenBy"] = record.given_by;
  if (record.claim) out["claim"] = *record.claim;
  out["ended"] = ended;
  return os::write_file_atomic(devices_ + "/" + address.to_string(),
                               out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
                               0600);
}

std::optional<LastUse> Journal::last_use(const nic::PciAddress& vf) const {
  const auto text = os::read_file(devices_ + "/" + vf.to_string(), kMaxDeviceBytes);
  if (!text) return std::nullopt;
  const auto json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  try {  // of nlohmann::json: a field that is missing or has another type
    LastUse out{json.at("pod").get<std::string>(),
                json.at("podUid").get<std::string>(),
                json.at("given").get<std::uint64_t>(),
                json.at("givenBy").get<std::string>(),
                std::nullopt,
                json.value("ended", std::uint64_t{0})};
    if (json.contains("claim")) out.claim = json.at("claim").get<std::string>();
    return out;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace sluice::cni
