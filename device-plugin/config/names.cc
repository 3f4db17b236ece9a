// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/config/names.h"

#include <algorithm>

#include "device-plugin/config/config.h"
#include "device-plugin/config/text.h"

namespace sluice::config {
namespace {

constexpr std::size_t kLongestName = 63;
// A quota's "requests.<prefix>" must be a DNS name too: 253 in all.
constexpr std::size_t kLongestPrefix = 253 - 9;

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

bool is_dns_name(std::string_view text) {
  if (text.empty() || text.size() > kLongestPrefix) return false;
  char before = '.';
  for (const char c : text) {
    if (c == '.' ? !is_lower_alnum(before) : c == '-' ? before == '.' : !is_lower_alnum(c)) {
      return false;
    }
    before = c;
  }
  return is_lower_alnum(before);
}

}  // namespace

Status check_resource_name(std::string_view name, bool dots) {
  const auto allowed = [dots](char c) {
    return is_alnum(c) || c == '-' || c == '_' || (dots && c == '.');
  };
  const std::string what = "resource name " + cite(name);
  if (name.empty() || !std::all_of(name.begin(), name.end(), allowed)) {
    return fail(Code::kInvalid,
                what + " must be of letters, digits, '-'" + (dots ? ", '_' and '.'" : " and '_'"));
  }
  if (name.size() > kLongestName) {
    return fail(Code::kInvalid, what + " has " + std::to_string(name.size()) +
                                    " characters; the kubelet takes at most 63");
  }
  if (!is_alnum(name.front()) || !is_alnum(name.back())) {
    return fail(Code::kInvalid,
                what + " must begin and end with a letter or digit: the kubelet takes no other");
  }
  return {};
}

Status check_resource_prefix(std::string_view prefix) {
  const std::string what = "resource prefix " + cite(prefix);
  if (!is_dns_name(prefix)) {
    return fail(Code::kInvalid, what +
                                    " is no DNS name of at most 244 characters; allowed is one "
                                    "such as sluice.dev");
  }
  if (prefix.find("kubernetes.io") != std::string_view::npos || prefix.starts_with("requests.")) {
    return fail(Code::kInvalid, what + " is Kubernetes' own; allowed is one such as sluice.dev");
  }
  return {};
}

}  // namespace sluice::config
