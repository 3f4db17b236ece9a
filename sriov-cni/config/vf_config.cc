// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include <nlohmann/json.hpp>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/config_parts.h"
#include "sriov-cni/config/values.h"

namespace sluice::cni {
namespace {

constexpr std::uint32_t kMinMtu = 576, kMaxMtu = 65535;
constexpr std::uint32_t kMaxRate = std::numeric_limits<std::uint32_t>::max();
constexpr std::array<std::string_view, 3> kLinkStates = {"auto", "enable", "disable"};
constexpr std::array<std::string_view, 4> kRdmaUses = {"off", "auto", "shared", "exclusive"};

// An empty text is none.
Result<std::string> text_of(const std::optional<Section>& from, std::string_view key) {
  std::string out;
  if (from) SLUICE_CHECK_OK(from->text(key, out));
  return out;
}

// sriov-cni doesn't know args.cni.mac.
Status read_mac(const Sources& from, Dialect dialect, VfWish& out) {
  static constexpr const char* kAllowed =
      "allowed is a unicast MAC address such as 02:00:00:aa:bb:cc";
  SLUICE_TRY(const auto runtime, text_of(from.runtime, "mac"));
  std::string args;
  if (dialect == Dialect::kSluice) {
    SLUICE_TRY(args, text_of(from.args, "mac"));
  }
  SLUICE_TRY(const auto own, text_of(from.config, "mac"));
  const auto& environment = from.call.args_mac;
  const auto& text = !runtime.empty()       ? runtime
                     : !args.empty()        ? args
                     : !environment.empty() ? environment
                                            : own;
  if (text.empty()) return {};
  out.mac = parse_port_mac(text);
  if (out.mac) return {};
  if (!runtime.empty()) return from.runtime->bad("mac", kAllowed);
  if (!args.empty()) return from.args->bad("mac", kAllowed);
  if (environment.empty()) return from.config.bad("mac", kAllowed);
  return cni_fail(kInvalidEnvironment,
                  "CNI_ARGS: MAC is " + in_quotes(environment) + "; " + std::string(kAllowed));
}

Status read_mtu(const Section& config, NetConfig& out) {
  std::optional<std::uint32_t> mtu;
  SLUICE_CHECK_OK(config.number("mtu", 0, kMaxMtu, mtu));
  if (!mtu || *mtu == 0) return {};
  if (*mtu < kMinMtu) return config.bad("mtu", "allowed are 576 to 65535, or 0 for unset");
  out.mtu = mtu;
  out.vf.mtu = mtu;
  return {};
}

// A rate has two keys: Mbit/s as a number, and a text with a unit.
Status read_rate(const Section& config, std::string_view number, std::string_view text,
                 std::optional<std::uint32_t>& into) {
  SLUICE_CHECK_OK(config.number(number, 0, kMaxRate, into));
  const auto* value = config.find(text);
  if (value == nullptr) return {};
  std::optional<std::uint32_t> rate;
  if (value->is_string()) {
    rate = parse_mbps(value->get_ref<const std::string&>());
    if (!rate) return config.bad(text, "allowed are whole Mbit/s, such as 500Mbit or 2.5Gbit");
  } else {
    SLUICE_CHECK_OK(config.number(text, 0, kMaxRate, rate));
  }
  if (into && *into != *rate) {
    return config.bad(text, "but " + std::string(number) + " is " + std::to_string(*into));
  }
  into = rate;
  return {};
}

// A pod's wish for its bandwidth. A VF has a rate to the pod's outside only, and no burst.
Status read_bandwidth(const Section& runtime, std::optional<std::uint32_t>& max_rate) {
  constexpr std::uint64_t kMega = 1'000'000;
  SLUICE_TRY(const auto bandwidth, runtime.section("bandwidth"));
  if (!bandwidth) return {};
  const auto* ingress = bandwidth->find("ingressRate");
  if (ingress != nullptr && *ingress != 0) {
    return bandwidth->unsupported("ingressRate", "a VF has a limit for what the pod sends only");
  }
  const auto* egress = bandwidth->find("egressRate");
  if (egress == nullptr || *egress == 0) return {};
  if (!egress->is_number_unsigned() || egress->get<std::uint64_t>() < kMega ||
      egress->get<std::uint64_t>() / kMega > kMaxRate) {
    return bandwidth->bad("egressRate", "allowed are whole bit/s from 1000000 on");
  }
  max_rate = static_cast<std::uint32_t>(egress->get<std::uint64_t>() / kMega);
  return {};
}

Status read_rates(const Sources& from, netlink::VfAttributes& out) {
  auto& min = out.min_rate_mbps;
  auto& max = out.max_rate_mbps;
  SLUICE_CHECK_OK(read_rate(from.config, "min_tx_rate", "minRate", min));
  SLUICE_CHECK_OK(read_rate(from.config, "max_tx_rate", "maxRate", max));
  if (from.runtime) SLUICE_CHECK_OK(read_bandwidth(*from.runtime, max));
  // The kernel has one request for both.
  if (min && !max) max = 0;
  if (max && !min) min = 0;
  if (!max || *max == 0 || *min <= *max) return {};
  return cni_fail(kInvalidConfig,
                  "the minimal rate (min_tx_rate, minRate) is " + std::to_string(*min) +
                      " Mbit/s; allowed is at most the maximal one, " + std::to_string(*max));
}

Status read_guid(const Sources& from, VfWish& out) {
  static constexpr const char* kAllowed =
      "allowed are eight bytes such as 02:00:00:00:00:aa:bb:cc, not all zero";
  struct Place {
    const Section* section;
    const char* key;
  };
  for (const auto& place : {Place{from.runtime ? &*from.runtime : nullptr, "infinibandGUID"},
                            Place{from.args ? &*from.args : nullptr, "guid"},
                            Place{&from.config, "guid"}, Place{&from.config, "infinibandGUID"}}) {
    if (place.section == nullptr) continue;
    std::string text;
    SLUICE_CHECK_OK(place.section->text(place.key, text));
    if (text.empty()) continue;
    const auto guid = parse_guid(text);
    if (!guid) return place.section->bad(place.key, kAllowed);
    out.attributes.node_guid = guid;
    out.attributes.port_guid = guid;
    return {};
  }
  return {};
}

Status read_infiniband(const Sources& from, VfWish& out) {
  static constexpr const char* kState = "mellanox.infiniband.app";
  SLUICE_CHECK_OK(read_guid(from, out));
  if (const auto* pkey = from.config.find("pkey"); pkey != nullptr && *pkey != "") {
    if (pkey->is_string()) out.pkey = parse_pkey(pkey->get_ref<const std::string&>());
    if (pkey->is_number_unsigned()) out.pkey = parse_pkey(pkey->dump());
    if (!out.pkey) return from.config.bad("pkey", "allowed is a P_Key such as 0x8001");
  }
  std::optional<bool> managed;
  SLUICE_CHECK_OK(from.config.flag("ibKubernetesEnabled", managed));
  if (managed != true || from.call.verb == Verb::kStatus) return {};  // it manages pods
  SLUICE_TRY(const auto state, text_of(from.args, kState));
  if (state != "configured") {
    return cni_fail(kInvalidConfig, "args.cni." + std::string(kState) + " is " + in_quotes(state) +
                                        "; with ibKubernetesEnabled needed is 'configured': has "
                                        "ib-kubernetes seen the pod?");
  }
  if (out.attributes.port_guid) return {};
  return cni_fail(kInvalidConfig,
                  "guid is missing; with ibKubernetesEnabled needed is one in "
                  "runtimeConfig.infinibandGUID, args.cni.guid or guid");
}

Status read_rdma(const Section& config, VfWish& out) {
  std::optional<RdmaUse> use;
  std::optional<bool> isolation;
  SLUICE_CHECK_OK(config.choice("rdma", kRdmaUses, use));
  SLUICE_CHECK_OK(config.flag("rdmaIsolation", isolation));
  if (isolation == true && use.value_or(RdmaUse::kExclusive) != RdmaUse::kExclusive) {
    return config.bad("rdma", "allowed with rdmaIsolation is exclusive only");
  }
  out.rdma = isolation == true ? RdmaUse::kExclusive : use.value_or(RdmaUse::kOff);
  return {};
}

}  // namespace

Status read_vf(const Sources& from, NetConfig& out) {
  auto& vf = out.vf;
  // Each dialect leaves alone what its plugin doesn't know and the other network has.
  if (out.dialect != Dialect::kIbSriov) {
    SLUICE_CHECK_OK(read_vlan(from.config, vf));
    SLUICE_CHECK_OK(read_mac(from, out.dialect, vf));
    SLUICE_CHECK_OK(from.config.flag("spoofchk", vf.attributes.spoof_check));
    SLUICE_CHECK_OK(from.config.flag("trust", vf.attributes.trust));
  }
  if (out.dialect != Dialect::kSriov) SLUICE_CHECK_OK(read_infiniband(from, vf));
  SLUICE_CHECK_OK(from.config.choice("link_state", kLinkStates, vf.attributes.link_state));
  SLUICE_CHECK_OK(read_rates(from, vf.attributes));
  SLUICE_CHECK_OK(read_mtu(from.config, out));
  SLUICE_CHECK_OK(from.config.flag("promisc", vf.promiscuous));
  SLUICE_CHECK_OK(from.config.flag("allmulti", vf.all_multicast));
  SLUICE_CHECK_OK(read_rdma(from.config, vf));
  std::optional<bool> user_space;
  SLUICE_CHECK_OK(from.config.flag("vfioPciMode", user_space));
  vf.user_space_only = user_space.value_or(false);
  if (!vf.user_space_only || !out.mtu) return {};
  return from.config.bad("mtu",
                         "but vfioPciMode is on, and a VF for user space has no netdev to "
                         "set it on; allowed with it is 0 for unset");
}

}  // namespace sluice::cni
