// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/cdi/spec_store.h"

#include <optional>
#include <string_view>

#include "common/os/files.h"
#include "device-plugin/cdi/names.h"

namespace sluice::cdi {
namespace {

constexpr std::string_view kPrefix = "sluice-dp-";
constexpr std::string_view kSuffix = ".json";
constexpr std::size_t kTemporaryEnd = 7;  // ".XXXXXX" of a file that was being written
constexpr std::size_t kMaxFileName = 255 - kTemporaryEnd;

bool has_prefix(std::string_view text) { return text.substr(0, kPrefix.size()) == kPrefix; }
bool has_suffix(std::string_view text) {
  return text.size() >= kSuffix.size() && text.substr(text.size() - kSuffix.size()) == kSuffix;
}

std::optional<std::string> set_of(std::string_view file) {
  if (!has_prefix(file) || !has_suffix(file)) return std::nullopt;
  if (file.size() <= kPrefix.size() + kSuffix.size()) return std::nullopt;
  return from_file_part(file.substr(kPrefix.size(), file.size() - kPrefix.size() - kSuffix.size()));
}

bool is_unfinished(std::string_view file) {
  if (file.size() <= kTemporaryEnd || file[file.size() - kTemporaryEnd] != '.') return false;
  return set_of(file.substr(0, file.size() - kTemporaryEnd)).has_value();
}

Status check(const std::string& set, const Spec& spec, const std::string& path) {
  const std::string file = path.substr(path.rfind('/') + 1);
  if (set.empty() || file.size() > kMaxFileName) {
    return fail(Code::kInvalid, "CDI device set '" + set.substr(0, 200) +
                                    "' can't be a file's name: it is empty or too long");
  }
  std::set<std::string> names;
  for (const auto& device : spec.devices) {
    if (names.insert(device.name).second) continue;
    return fail(Code::kInvalid, "CDI device set '" + set + "' has device '" +
                                    device.name.substr(0, 200) + "' twice");
  }
  return {};
}

}  // namespace

Result<SpecStore> SpecStore::open(const std::string& directory) {
  SLUICE_CHECK_OK(os::make_directories(directory));
  return SpecStore(directory);
}

std::string SpecStore::path_of(const std::string& set) const {
  return directory_ + "/" + std::string(kPrefix) + file_part(set) + std::string(kSuffix);
}

Status SpecStore::put(const std::string& set, const Spec& spec) {
  const std::string path = path_of(set);
  SLUICE_CHECK_OK(check(set, spec, path));
  // A file without a device is no valid specification.
  if (spec.devices.empty()) return remove(set);
  const std::string content = render(spec);
  const auto present = os::read_file(path, content.size());
  if (present && *present == content) return {};
  return os::write_file_atomic(path, content);
}

Status SpecStore::remove(const std::string& set) { return os::remove_file(path_of(set)); }

Result<std::set<std::string>> SpecStore::sets() const {
  SLUICE_TRY(const auto root, os::Root::open(directory_));
  SLUICE_TRY(const auto files, root.list("."));
  std::set<std::string> out;
  for (const auto& file : files) {
    if (auto set = set_of(file)) out.insert(std::move(*set));
  }
  return out;
}

Status SpecStore::sweep(const std::set<std::string>& keep) {
  SLUICE_TRY(const auto root, os::Root::open(directory_));
  SLUICE_TRY(const auto files, root.list("."));
  for (const auto& file : files) {
    const auto set = set_of(file);
    const bool unwanted = set && keep.count(*set) == 0;
    if (!unwanted && !is_unfinished(file)) continue;
    SLUICE_CHECK_OK(os::remove_file(directory_ + "/" + file));
  }
  return {};
}

}  // namespace sluice::cdi
