// SPDX-License-Identifier: Apache-2.0
// Any bytes as a CNI call: an Error with words, or values within the bounds; a result that was read
// can be printed in every version that can say it, and read again. Input: a byte for the verb, the
// configuration, NUL, CNI_ARGS, NUL, a result (of an IPAM plugin).
// fuzz-deps: sluice_cni_config
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/config/environment.h"
#include "sriov-cni/config/net_config.h"

namespace {

using namespace sluice::cni;

constexpr Verb kVerbs[] = {Verb::kAdd, Verb::kCheck, Verb::kDel, Verb::kGc, Verb::kStatus};

void require(bool good) {
  if (!good) std::abort();
}

template <class T>
bool refused(const sluice::Result<T>& result) {
  if (result) return false;
  const auto& error = result.error();
  require(!error.message.empty() && error.message.size() < 1000);
  require(cni_code(error) > 0 && cni_code(error) <= kDecodeFailure + 1);
  require(!error_json("1.1.0", error).empty());
  return true;
}

void check_result(const CniResult& result) {
  require(result.interfaces.size() <= 256 && result.addresses.size() <= 256);
  for (const auto& address : result.addresses) {
    require(!address.interface || *address.interface < result.interfaces.size());
  }
  for (const auto version : supported_versions()) {
    const auto text = print_result(version, result);
    require(text.has_value() == can_say(version, result).has_value());
    if (!text) continue;
    const auto again = parse_result(*text, "");
    require(again.has_value());
    // What the version has said once it says again in the same words.
    const bool empty = !can_say(version, *again);
    require(!empty && print_result(version, *again).value() == *text);
    if (version == supported_versions().back()) require(*again == result);
  }
  const auto twice = join(result, result);
  require(twice.addresses.size() == 2 * result.addresses.size());
  require(print_result("1.1.0", twice).has_value());
}

void check_config(const NetConfig& config, Verb verb) {
  require(!config.name.empty() && config.state_dir.front() == '/');
  const auto& vf = config.vf.attributes;
  require(vf.vlan.value_or(0) <= 4094 && vf.qos.value_or(0) <= 7);
  require(vf.vlan.has_value() == vf.vlan_protocol.has_value());
  require(vf.min_rate_mbps.has_value() == vf.max_rate_mbps.has_value());
  require(!config.vf.mac || !(config.vf.mac->is_zero() || config.vf.mac->is_multicast()));
  int last = -1;
  for (const auto& range : config.vf.trunk) {
    require(range.first > last + 1 || last == -1);
    require(range.first >= 1 && range.first <= range.last && range.last <= 4094);
    last = range.last;
  }
  require(config.ipam_type.find('/') == std::string::npos);
  require((config.ipam == IpamKind::kDelegate) == !config.ipam_type.empty());
  require(verb != Verb::kCheck || config.previous.has_value());
  if (config.previous) check_result(*config.previous);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto verb = kVerbs[data[0] % std::size(kVerbs)];
  const std::string_view all(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto first = std::min(all.find('\0'), all.size());
  const auto rest = all.substr(std::min(first + 1, all.size()));
  const auto second = std::min(rest.find('\0'), rest.size());
  const std::string args(rest.substr(0, second));

  Invocation call;
  call.verb = verb;
  const auto read = read_invocation(verb, [&](const char* name) -> std::optional<std::string> {
    return std::string_view(name) == "CNI_ARGS" ? args : "a-valid-name";
  });
  if (!refused(read)) call = *read;
  const auto text = all.substr(0, first);
  const auto config = parse_config(text, call);
  if (!refused(config)) check_config(*config, verb);
  require(!version_for_errors(text).empty());
  const auto result = parse_result(rest.substr(std::min(second + 1, rest.size())), "1.0.0");
  if (!refused(result)) check_result(*result);
  return 0;
}
