// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "common/os/files.h"
#include "device-plugin/devinfo/devinfo.h"

namespace sluice::devinfo {
namespace {

constexpr std::string_view kSuffix = "-device.json";
constexpr std::size_t kTemporaryEnd = 7;  // ".XXXXXX"

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

Status fill(int fd, std::string_view content, const std::string& path) {
  if (::fchmod(fd, 0444) != 0) return fail_errno(errno, "chmod " + path);
  while (!content.empty()) {
    const auto put = ::write(fd, content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "write " + path);
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

// As os::write_file_atomic(), without the two syncs: this is on the way of every Allocate.
Status replace(const std::string& path, std::string_view content) {
  std::string temporary = path + ".XXXXXX";
  const os::UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return fail_errno(errno, "make a temporary file beside " + path);
  auto status = fill(fd.get(), content, temporary);
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = fail_errno(errno, "rename " + temporary + " to " + path);
  }
  if (!status) ::unlink(temporary.c_str());
  return status;
}

// "0000:3b:00.2" or "mlx5_core.sf.4": without a '-', so that a file of resource "a/vf-x" is no file
// of "a/vf".
bool is_device_id(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == ':';
  };
  if (text.empty() || !std::all_of(text.begin(), text.end(), allowed)) return false;
  const auto address = nic::PciAddress::parse(text);
  if (address) return address->to_string() == text;
  return std::count(text.begin(), text.end(), '.') == 2;
}

// The device that a file of this resource is for; "" for any other file.
std::string id_in(std::string_view file, const std::string& resource) {
  const std::string head = file_name(resource, "");
  const std::string_view prefix = std::string_view(head).substr(0, head.size() - kSuffix.size());
  if (file.size() <= prefix.size() + kSuffix.size()) return "";
  if (file.substr(0, prefix.size()) != prefix || !ends_with(file, kSuffix)) return "";
  const auto id = file.substr(prefix.size(), file.size() - prefix.size() - kSuffix.size());
  return is_device_id(id) ? std::string(id) : "";
}

}  // namespace

Status Store::put(const std::string& resource, const std::string& id, const std::string& content) {
  const std::string path = directory_ + "/" + file_name(resource, id);
  if (content.empty()) return os::remove_file(path);
  const auto present = os::read_file(path, content.size());
  if (present && *present == content) return {};
  auto status = replace(path, content);
  if (status || status.error().native != ENOENT) return status;
  SLUICE_CHECK_OK(os::make_directories(directory_));
  return replace(path, content);
}

Status Store::sweep(const std::string& resource, const std::set<std::string>& in_use) {
  const auto root = os::Root::open(directory_);
  if (!root) {
    if (root.error().code == Code::kNotFound) return {};  // nothing was ever written
    return fail(root.error());
  }
  SLUICE_TRY(const auto files, root->list("."));
  for (const auto& file : files) {
    const std::string id = id_in(file, resource);
    bool unwanted = !id.empty() && in_use.count(id) == 0;
    if (id.empty() && file.size() > kTemporaryEnd && file[file.size() - kTemporaryEnd] == '.') {
      // Of a process that died while it wrote.
      const auto whole = std::string_view(file).substr(0, file.size() - kTemporaryEnd);
      unwanted = !id_in(whole, resource).empty();
    }
    if (unwanted) SLUICE_CHECK_OK(os::remove_file(directory_ + "/" + file));
  }
  return {};
}

}  // namespace sluice::devinfo
