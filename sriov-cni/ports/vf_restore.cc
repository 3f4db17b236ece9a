// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/vf_restore.h"

namespace sluice::cni {
namespace {

using netlink::VfAttributes;

// A VF without a GUID of its own; zero is refused by drivers.
constexpr std::uint64_t kNoGuid = ~std::uint64_t{0};

template <class T>
void give_back(std::optional<T> VfAttributes::*field, T otherwise, const VfAttributes& wish,
               const VfAttributes& home, AttributesBack& out) {
  if (!(wish.*field)) return;
  if (home.*field) {
    out.known.*field = home.*field;
    return;
  }
  VfAttributes alone;
  alone.*field = otherwise;
  out.guessed.push_back(alone);
}

void give_vlan_back(const VfAttributes& wish, const VfAttributes& home, AttributesBack& out) {
  if (!wish.vlan && !wish.qos && !wish.vlan_protocol) return;
  VfAttributes alone;
  auto& into = home.vlan ? out.known : alone;
  into.vlan = home.vlan.value_or(0);
  into.qos = home.qos.value_or(0);
  into.vlan_protocol = home.vlan_protocol;
  if (!home.vlan) out.guessed.push_back(alone);
}

void give_rates_back(const VfAttributes& wish, const VfAttributes& home, AttributesBack& out) {
  if (!wish.min_rate_mbps && !wish.max_rate_mbps) return;
  const bool is_known = home.min_rate_mbps || home.max_rate_mbps;
  VfAttributes alone;
  auto& into = is_known ? out.known : alone;
  into.min_rate_mbps = home.min_rate_mbps.value_or(0);
  into.max_rate_mbps = home.max_rate_mbps.value_or(0);
  if (!is_known) out.guessed.push_back(alone);
}

void give_guid_back(std::optional<std::uint64_t> VfAttributes::*field, const VfAttributes& wish,
                    const VfAttributes& home, AttributesBack& out) {
  if (!(wish.*field)) return;
  const auto before = (home.*field).value_or(0);
  out.known.*field = before == 0 ? kNoGuid : before;
}

void give_mac_back(const Record& record, AttributesBack& out) {
  const auto& home = record.vf->attributes;
  const bool asked = asks_mac(record);
  if (record.kind == PortKind::kUserSpace) {
    if (asked) out.known.mac = home.mac.value_or(MacAddr{});
    return;
  }
  // While one is set, an untrusted VF may not take its own MAC again.
  if (asked && home.mac) out.known.mac = MacAddr{};
  const bool trusted = home.trust.value_or(false) || record.wish.attributes.trust.value_or(false);
  if (home.mac && !home.mac->is_zero() && (asked || trusted)) out.mac_afterwards = home.mac;
}

template <class T>
void keep_different(std::optional<T> VfAttributes::*field, const VfAttributes& wanted,
                    const VfAttributes& now, VfAttributes& out) {
  if (wanted.*field && now.*field && wanted.*field != now.*field) out.*field = wanted.*field;
}

template <class T>
bool is_so(std::optional<T> VfAttributes::*field, const VfAttributes& wanted,
           const VfAttributes& now) {
  return !(wanted.*field) || wanted.*field == now.*field;
}

template <class T>
void take_alone(std::optional<T> VfAttributes::*field, const VfAttributes& all,
                std::vector<VfAttributes>& out) {
  if (!(all.*field)) return;
  VfAttributes alone;
  alone.*field = all.*field;
  out.push_back(alone);
}

}  // namespace

bool asks_mac(const Record& record) {
  if (!record.vf || record.mac.is_zero()) return false;
  const auto& home = *record.vf;
  if (record.kind == PortKind::kUserSpace) {
    return record.wish.mac || record.mac != home.attributes.mac.value_or(MacAddr{});
  }
  if (home.mac.is_zero()) return false;  // InfiniBand
  return record.wish.mac || record.mac != home.mac;
}

AttributesBack attributes_back(const VfAttributes& wish, const VfAttributes& home) {
  AttributesBack out;
  give_vlan_back(wish, home, out);
  give_rates_back(wish, home, out);
  give_back(&VfAttributes::spoof_check, true, wish, home, out);
  give_back(&VfAttributes::link_state, netlink::VfLinkState::kAuto, wish, home, out);
  give_back(&VfAttributes::rss_query, false, wish, home, out);
  give_back(&VfAttributes::trust, false, wish, home, out);
  give_guid_back(&VfAttributes::node_guid, wish, home, out);
  give_guid_back(&VfAttributes::port_guid, wish, home, out);
  return out;
}

AttributesBack attributes_back(const Record& record) {
  auto out = attributes_back(record.wish.attributes, record.vf->attributes);
  give_mac_back(record, out);
  return out;
}

std::vector<VfAttributes> one_by_one(const VfAttributes& all) {
  std::vector<VfAttributes> out;
  take_alone(&VfAttributes::mac, all, out);
  if (all.vlan) {
    VfAttributes vlan;
    vlan.vlan = all.vlan;
    vlan.qos = all.qos;
    vlan.vlan_protocol = all.vlan_protocol;
    out.push_back(vlan);
  }
  if (all.min_rate_mbps || all.max_rate_mbps) {
    VfAttributes rates;
    rates.min_rate_mbps = all.min_rate_mbps;
    rates.max_rate_mbps = all.max_rate_mbps;
    out.push_back(rates);
  }
  take_alone(&VfAttributes::spoof_check, all, out);
  take_alone(&VfAttributes::link_state, all, out);
  take_alone(&VfAttributes::rss_query, all, out);
  take_alone(&VfAttributes::trust, all, out);
  take_alone(&VfAttributes::node_guid, all, out);
  take_alone(&VfAttributes::port_guid, all, out);
  return out;
}

bool is_so(const VfAttributes& wanted, const VfAttributes& now) {
  return is_so(&VfAttributes::mac, wanted, now) && is_so(&VfAttributes::vlan, wanted, now) &&
         is_so(&VfAttributes::qos, wanted, now) &&
         is_so(&VfAttributes::vlan_protocol, wanted, now) &&
         is_so(&VfAttributes::spoof_check, wanted, now) &&
         is_so(&VfAttributes::trust, wanted, now) && is_so(&VfAttributes::rss_query, wanted, now) &&
         is_so(&VfAttributes::link_state, wanted, now) &&
         is_so(&VfAttributes::min_rate_mbps, wanted, now) &&
         is_so(&VfAttributes::max_rate_mbps, wanted, now) &&
         is_so(&VfAttributes::node_guid, wanted, now) &&
         is_so(&VfAttributes::port_guid, wanted, now);
}

VfAttributes differing(const VfAttributes& wanted, const VfAttributes& now) {
  VfAttributes out;
  keep_different(&VfAttributes::mac, wanted, now, out);
  keep_different(&VfAttributes::vlan, wanted, now, out);
  keep_different(&VfAttributes::qos, wanted, now, out);
  keep_different(&VfAttributes::vlan_protocol, wanted, now, out);
  keep_different(&VfAttributes::spoof_check, wanted, now, out);
  keep_different(&VfAttributes::trust, wanted, now, out);
  keep_different(&VfAttributes::rss_query, wanted, now, out);
  keep_different(&VfAttributes::link_state, wanted, now, out);
  keep_different(&VfAttributes::min_rate_mbps, wanted, now, out);
  keep_different(&VfAttributes::max_rate_mbps, wanted, now, out);
  keep_different(&VfAttributes::node_guid, wanted, now, out);
  keep_different(&VfAttributes::port_guid, wanted, now, out);
  return out;
}

}  // namespace sluice::cni
