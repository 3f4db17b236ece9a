// SPDX-License-Identifier: Apache-2.0
#include "offload/pmd/devargs.h"

#include <ethdev_driver.h>
#include <rte_kvargs.h>

#include <algorithm>
#include <charconv>
#include <memory>

namespace sluice::pmd {
namespace {

constexpr std::uint32_t kMaxRules = 1U << 24U;
constexpr std::uint16_t kMaxVfIndex = eswitch::kMaxPorts - kFirstVfPort - 1;

Result<std::uint32_t> number(const std::string& key, const std::string& value, std::uint32_t most) {
  std::uint32_t n = 0;
  const char* end = value.data() + value.size();
  const auto [at, error] = std::from_chars(value.data(), end, n);
  if (error != std::errc{} || at != end || n > most) {
    return fail(Code::kInvalid,
                key + "=" + value + ": must be a number from 0 to " + std::to_string(most));
  }
  return n;
}

Status parse_representors(const std::string& args, std::vector<std::uint16_t>& vfs) {
  rte_eth_devargs parsed{};
  if (rte_eth_devargs_parse(args.c_str(), &parsed) < 0) {
    return fail(Code::kInvalid, "representor= in \"" + args + "\": must be like vf[0-7] or [0-7]");
  }
  if (parsed.nb_representor_ports != 0 && parsed.type != RTE_ETH_REPRESENTOR_VF) {
    return fail(Code::kInvalid, "representor= in \"" + args + "\": only VFs have representors");
  }
  for (std::uint16_t i = 0; i < parsed.nb_representor_ports; ++i) {
    if (parsed.representor_ports[i] > kMaxVfIndex) {
      return fail(Code::kInvalid, "representor vf" + std::to_string(parsed.representor_ports[i]) +
                                      ": VF indexes are 0 to " + std::to_string(kMaxVfIndex));
    }
    vfs.push_back(parsed.representor_ports[i]);
  }
  std::sort(vfs.begin(), vfs.end());
  if (std::adjacent_find(vfs.begin(), vfs.end()) != vfs.end()) {
    return fail(Code::kInvalid, "representor= in \"" + args + "\" names a VF twice");
  }
  return {};
}

}  // namespace

Result<SwitchOptions> parse_devargs(const std::string& name, const std::string& args) {
  SwitchOptions options;
  options.name = name;
  if (args.empty()) return options;
  const std::unique_ptr<rte_kvargs, void (*)(rte_kvargs*)> parsed(
      rte_kvargs_parse(args.c_str(), nullptr), rte_kvargs_free);
  if (parsed == nullptr) {
    return fail(Code::kInvalid, "\"" + args + "\" is not a list of key=value");
  }
  bool representors = false;
  for (unsigned i = 0; i < parsed->count; ++i) {
    const std::string key = parsed->pairs[i].key == nullptr ? "" : parsed->pairs[i].key;
    const std::string value = parsed->pairs[i].value == nullptr ? "" : parsed->pairs[i].value;
    if (key == "representor") {
      representors = true;
    } else if (key == "host") {
      SLUICE_TRY(const auto n, number(key, value, 1));
      options.host = n == 1;
    } else if (key == "rules") {
      SLUICE_TRY(options.rules, number(key, value, kMaxRules));
    } else if (key == "leg") {
      options.ethdev_legs.push_back(value);
    } else {
      return fail(Code::kInvalid,
                  "unknown argument " + key + ": there are representor, host, rules and leg");
    }
  }
  if (representors) {
    if (auto ok = parse_representors(args, options.vfs); !ok) return fail(std::move(ok).error());
  }
  const std::size_t ports = 1 + (options.host ? 1U : 0U) + options.vfs.size();
  if (options.ethdev_legs.size() > ports) {
    return fail(Code::kInvalid, "leg= is there " + std::to_string(options.ethdev_legs.size()) +
                                    " times, but there are only " + std::to_string(ports) +
                                    " ports");
  }
  return options;
}

}  // namespace sluice::pmd
