// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/config/selector_values.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/base/nearest_name.h"
#include "device-plugin/config/text.h"

namespace sluice::config {
namespace {

constexpr std::size_t kLongestInterfaceName = 15;
constexpr std::array<std::string_view, 2> kLinkTypes = {"ether", "infiniband"};

bool has_space_or_slash(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return c == '/' || c == ' ' || (c >= '\t' && c <= '\r'); });
}

Result<std::uint16_t> read_hex(std::string_view text, std::string_view what) {
  auto digits = text;
  if (digits.starts_with("0x") || digits.starts_with("0X")) digits.remove_prefix(2);
  std::uint16_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error == std::errc{} && end == digits.data() + digits.size() && digits.size() <= 4) {
    return value;
  }
  return fail(Code::kInvalid, cite(text) + " is no " + std::string(what));
}

}  // namespace

Result<std::uint16_t> read_id(std::string_view text) {
  return read_hex(text, "PCI ID, which has 1 to 4 hex digits, such as 15b3");
}

Result<std::uint16_t> read_pkey(std::string_view text) {
  return read_hex(text, "partition key, which has 1 to 4 hex digits, such as 0x8001");
}

Result<nic::PciAddress> read_address(std::string_view text) {
  const auto address = nic::PciAddress::parse(text);
  if (address) return *address;
  return fail(Code::kInvalid, cite(text) + " is no PCI address such as 0000:3b:00.2");
}

Result<std::string> read_driver(std::string_view text) {
  if (!text.empty() && !has_space_or_slash(text)) return std::string(text);
  return fail(Code::kInvalid, cite(text) + " is no driver name");
}

Result<std::string> read_word(std::string_view text) {
  if (!text.empty()) return std::string(text);
  return fail(Code::kInvalid, "is empty");
}

Result<std::string> read_link_type(std::string_view text) {
  const auto wanted = lower_case(text);
  if (std::find(kLinkTypes.begin(), kLinkTypes.end(), wanted) != kLinkTypes.end()) return wanted;
  std::string message = cite(text) + " is no link type of a NIC; allowed: ether, infiniband";
  if (const auto meant = nearest_name(wanted, kLinkTypes)) {
    message += "; did you mean '" + std::string(*meant) + "'?";
  }
  return fail(Code::kInvalid, message);
}

Result<std::string> read_interface_name(std::string_view text) {
  if (!text.empty() && text.size() <= kLongestInterfaceName && !has_space_or_slash(text)) {
    return std::string(text);
  }
  return fail(Code::kInvalid, cite(text) +
                                  " is no interface name, which has 1 to 15 characters without "
                                  "space and '/'");
}

}  // namespace sluice::config
