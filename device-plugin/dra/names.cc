// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/names.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "common/base/hash.h"
#include "common/nic/inventory.h"
#include "device-plugin/dra/front.h"

namespace sluice::dra {
namespace {

constexpr std::size_t kMaxLabel = 63;
constexpr std::string_view kPortPrefix = "port-";
constexpr std::string_view kHexPrefix = "x-";
constexpr const char* kDigits = "0123456789abcdef";

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_hex(char c) { return (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9'); }

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > kMaxLabel) return false;
  if (!is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_lower_alnum(c) || c == '-'; });
}

// "0000-08-00-1", the domain has at least four digits -> "0000:08:00.1"
std::optional<std::string> pci_from_label(std::string_view label) {
  constexpr std::size_t kTail = 8;  // "-08-00-1"
  if (label.size() < kTail + 4 || label.size() > kTail + 8) return std::nullopt;
  const std::size_t at = label.size() - kTail;
  for (std::size_t i = 0; i < label.size(); ++i) {
    const bool dash = i == at || i == at + 3 || i == at + 6;
    if (dash ? label[i] != '-' : !is_hex(label[i])) return std::nullopt;
  }
  std::string text(label);
  text[at] = text[at + 3] = ':';
  text[at + 6] = '.';
  const auto address = nic::PciAddress::parse(text);
  if (!address || address->to_string() != text) return std::nullopt;
  return text;
}

std::string plain_from_label(std::string_view label) {
  std::string out;
  for (std::size_t i = 0; i < label.size(); ++i) {
    if (label[i] != '-') {
      out.push_back(label[i]);
    } else if (i + 1 < label.size() && label[i + 1] == '-') {
      out.push_back('_');
      ++i;
    } else {
      out.push_back('.');
    }
  }
  return out;
}

int hex_value(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

std::optional<std::string> hex_from_label(std::string_view hex) {
  if (hex.empty() || hex.size() % 2 != 0 || !std::all_of(hex.begin(), hex.end(), is_hex)) {
    return std::nullopt;
  }
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    out.push_back(static_cast<char>(hex_value(hex[i]) * 16 + hex_value(hex[i + 1])));
  }
  return out;
}

std::string simple_label(const std::string& id) {
  std::string out;
  for (const char c : id) {
    if (c == '_') {
      out += "--";
    } else {
      out.push_back(c == '.' || c == ':' ? '-' : c);
    }
  }
  return out;
}

std::string hex_label(const std::string& id) {
  std::string out(kHexPrefix);
  for (const char c : id) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(kDigits[byte >> 4U]);
    out.push_back(kDigits[byte & 0xfU]);
  }
  return out;
}

}  // namespace

std::optional<std::string> device_name_of(const std::string& id) {
  for (const auto& label : {simple_label(id), hex_label(id)}) {
    if (id_of_device_name(label) == id) return label;
  }
  return std::nullopt;
}

std::optional<std::string> id_of_device_name(const std::string& name) {
  if (!is_label(name) || name.starts_with(kPortPrefix)) return std::nullopt;
  if (auto address = pci_from_label(name)) return address;
  if (name.starts_with(kHexPrefix)) {
    return hex_from_label(std::string_view(name).substr(kHexPrefix.size()));
  }
  return plain_from_label(name);
}

std::string plain_port_name(std::uint32_t number) {
  return std::string(kPortPrefix) + std::to_string(number);
}

std::optional<std::uint32_t> plain_port_number(const std::string& name) {
  if (!name.starts_with(kPortPrefix)) return std::nullopt;
  const char* begin = name.data() + kPortPrefix.size();
  const char* end = name.data() + name.size();
  std::uint32_t number = 0;
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stop != end || plain_port_name(number) != name) return std::nullopt;
  return number;
}

std::string device_pool_of(const std::string& node) { return node; }
std::string port_pool_of(const std::string& node) { return node + "-ports"; }

std::string slice_stem(const std::string& node, bool ports) {
  constexpr std::size_t kMaxNode = 200;  // leaves room in 253 for all that follows
  std::string stem = node;
  if (stem.size() > kMaxNode) {
    stem.resize(kMaxNode - 18);
    while (!stem.empty() && !is_lower_alnum(stem.back())) stem.pop_back();
    std::string hash;
    for (std::uint64_t bits = hash_bytes(node), i = 0; i < 16; ++i, bits >>= 4U) {
      hash.push_back(kDigits[bits & 0xfU]);
    }
    stem += "-" + hash;
  }
  return stem + "-" + kDriver + (ports ? "-ports" : "");
}

std::optional<std::string> Front::id_of(const std::string& device_name) {
  return id_of_device_name(device_name);
}

bool Front::is_plain_port(const std::string& device_name) {
  return plain_port_number(device_name).has_value();
}

}  // namespace sluice::dra
