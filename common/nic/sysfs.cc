// SPDX-License-Identifier: Apache-2.0
#include "common/nic/sysfs.h"

#include <charconv>

namespace sluice::nic {
namespace {

constexpr std::size_t kMaxAttribute = 4096;  // a page: what sysfs gives at most

}  // namespace

Result<std::string> read_attribute(const os::Root& sysfs, const std::string& path) {
  SLUICE_TRY(auto text, sysfs.read(path, kMaxAttribute));
  if (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.find('\n') != std::string::npos) {
    return fail(Code::kInvalid, path + " has more than one line; allowed is one");
  }
  return text;
}

Result<std::uint32_t> read_number(const os::Root& sysfs, const std::string& path,
                                  std::uint32_t limit) {
  SLUICE_TRY(const auto text, read_attribute(sysfs, path));
  if (const auto value = parse_number(text, limit)) return *value;
  return fail(Code::kInvalid, path + " holds '" + text.substr(0, 64) +
                                  "'; allowed are numbers from 0 to " + std::to_string(limit));
}

std::string read_optional(const os::Root& sysfs, const std::string& path) {
  auto text = read_attribute(sysfs, path);
  return text && text->size() <= kMaxName ? std::move(*text) : std::string();
}

std::uint32_t read_number_or_zero(const os::Root& sysfs, const std::string& path,
                                  std::uint32_t limit) {
  return parse_number(read_optional(sysfs, path), limit).value_or(0);
}

Result<std::string> read_link_name(const os::Root& sysfs, const std::string& path) {
  const auto target = sysfs.read_link(path);
  if (!target) {
    if (target.error().code == Code::kNotFound) return std::string();
    return fail(target.error());
  }
  const std::string_view name = last_part(*target);
  if (name.empty() || name.size() > kMaxName) {
    return fail(Code::kInvalid, "link " + path + " leads to '" + target->substr(0, 200) +
                                    "'; its last part must have 1 to 255 bytes");
  }
  return std::string(name);
}

Result<std::vector<std::string>> list_optional(const os::Root& sysfs, const std::string& path) {
  auto names = sysfs.list(path);
  if (!names && names.error().code == Code::kNotFound) return std::vector<std::string>();
  return names;
}

std::string_view last_part(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t limit) {
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  std::uint32_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, value, hex ? 16 : 10);
  if (error != std::errc{} || next != end || value > limit) return std::nullopt;
  return value;
}

std::optional<std::uint32_t> number_behind(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  std::uint32_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || next != end) return std::nullopt;
  return value;
}

std::string parse_rdma_state(std::string_view text) {
  const auto colon = text.find(": ");
  if (colon != std::string_view::npos) text.remove_prefix(colon + 2);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return std::string(text.substr(0, kMaxName));
}

std::optional<std::uint16_t> parse_pkey(std::string_view text) {
  const auto value = parse_number(text, 0xffff);
  if (!value) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

std::optional<std::uint32_t> parse_sf_name(std::string_view name) {
  const auto type = name.find('.');
  if (type == std::string_view::npos || type == 0) return std::nullopt;
  return number_behind(name.substr(type), ".sf.");
}

PciPlace parse_place(std::string_view device_path) {
  constexpr std::string_view kRoot = "pci";
  constexpr std::size_t kMaxBridges = 64;  // deeper than any bus can be: 256 buses in a domain
  PciPlace place;
  // The last address is the function's own.
  std::optional<PciAddress> pending;
  while (!device_path.empty()) {
    const auto slash = device_path.find('/');
    const std::string_view part = device_path.substr(0, slash);
    device_path.remove_prefix(slash == std::string_view::npos ? device_path.size() : slash + 1);
    if (place.root.empty()) {
      const bool root = part.size() > kRoot.size() && part.size() <= 16 &&
                        part.starts_with(kRoot) && part.find(':') != std::string_view::npos;
      if (root) place.root = part;
      continue;
    }
    const auto address = PciAddress::parse(part);
    if (!address) continue;  // a root bus below a bridge that makes a domain of its own
    if (pending && place.path.size() < kMaxBridges) place.path.push_back(*pending);
    pending = *address;
  }
  return place;
}

}  // namespace sluice::nic
