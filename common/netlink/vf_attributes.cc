// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/vf_attributes.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>

namespace sluice::netlink {
namespace {

constexpr std::uint32_t kMaxVfIndex = 0xffff;

tl::unexpected<Error> malformed(const char* what) {
  return fail(Error{Code::kInvalid,
                    Domain::kProtocol,
                    0,
                    std::string("netlink message about a PF's VFs is malformed: ") + what,
                    {},
                    Retry::kLater});
}

// Drivers answer 0 or 1, and -1 for "I don't know".
std::optional<bool> yes_or_no(std::uint32_t setting) {
  if (setting > 1) return std::nullopt;
  return setting == 1;
}

struct Info {
  std::optional<std::uint32_t> index;
  VfAttributes values;
  bool has_rates = false;
};

// All of the kernel's VF structs begin with the number of the VF.
template <class T>
std::optional<T> about_vf(const Attribute& attribute, Info& info) {
  const auto value = read_struct<T>(attribute.data);
  if (value && !info.index) info.index = value->vf;
  return value;
}

void take_vlan_list(Bytes list, Info& info) {
  AttributeReader reader(list);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type != IFLA_VF_VLAN_INFO) continue;
    const auto value = about_vf<ifla_vf_vlan_info>(attribute, info);
    if (!value) continue;
    info.values.vlan = static_cast<std::uint16_t>(value->vlan & 0xfffU);
    info.values.qos = static_cast<std::uint8_t>(value->qos & 7U);
    info.values.vlan_protocol = ntohs(value->vlan_proto);
    return;  // the outermost
  }
}

void take_switch(const Attribute& attribute, Info& info, std::optional<bool>& into) {
  // ifla_vf_spoofchk, ifla_vf_trust and ifla_vf_rss_query_en are alike.
  const auto value = about_vf<ifla_vf_spoofchk>(attribute, info);
  if (value) into = yes_or_no(value->setting);
}

void take_guid(const Attribute& attribute, Info& info, std::optional<std::uint64_t>& into) {
  const auto value = about_vf<ifla_vf_guid>(attribute, info);
  if (value) into = value->guid;
}

void take(const Attribute& attribute, Info& info) {
  VfAttributes& values = info.values;
  switch (attribute.type) {
    case IFLA_VF_MAC:
      if (const auto value = about_vf<ifla_vf_mac>(attribute, info)) {
        MacAddr mac;
        std::copy_n(std::begin(value->mac), mac.bytes.size(), mac.bytes.begin());
        values.mac = mac;
      }
      break;
    case IFLA_VF_VLAN:
      if (const auto value = about_vf<ifla_vf_vlan>(attribute, info)) {
        // The list says more, where there is one.
        if (!values.vlan) values.vlan = static_cast<std::uint16_t>(value->vlan & 0xfffU);
        if (!values.qos) values.qos = static_cast<std::uint8_t>(value->qos & 7U);
      }
      break;
    case IFLA_VF_VLAN_LIST:
      take_vlan_list(attribute.data, info);
      break;
    case IFLA_VF_TX_RATE:  // before IFLA_VF_RATE there was only this one
      if (const auto value = about_vf<ifla_vf_tx_rate>(attribute, info); value && !info.has_rates) {
        values.max_rate_mbps = value->rate;
      }
      break;
    case IFLA_VF_RATE:
      if (const auto value = about_vf<ifla_vf_rate>(attribute, info)) {
        values.min_rate_mbps = value->min_tx_rate;
        values.max_rate_mbps = value->max_tx_rate;
        info.has_rates = true;
      }
      break;
    case IFLA_VF_SPOOFCHK:
      take_switch(attribute, info, values.spoof_check);
      break;
    case IFLA_VF_TRUST:
      take_switch(attribute, info, values.trust);
      break;
    case IFLA_VF_RSS_QUERY_EN:
      take_switch(attribute, info, values.rss_query);
      break;
    case IFLA_VF_LINK_STATE:
      if (const auto value = about_vf<ifla_vf_link_state>(attribute, info);
          value && value->link_state <= IFLA_VF_LINK_STATE_DISABLE) {
        values.link_state = static_cast<VfLinkState>(value->link_state);
      }
      break;
    case IFLA_VF_IB_NODE_GUID:
      take_guid(attribute, info, values.node_guid);
      break;
    case IFLA_VF_IB_PORT_GUID:
      take_guid(attribute, info, values.port_guid);
      break;
    default:
      break;
  }
}

Status take_list(Bytes list, VfAttributesByIndex& all) {
  AttributeReader reader(list);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type != IFLA_VF_INFO) continue;
    Info info;
    AttributeReader inner(attribute.data);
    for (Attribute value; inner.next(value);) take(value, info);
    if (inner.malformed()) return malformed("an attribute of a VF overruns it");
    if (!info.index || *info.index > kMaxVfIndex) return malformed("a VF without its number");
    all.emplace(static_cast<std::uint16_t>(*info.index), info.values);
  }
  if (reader.malformed()) return malformed("a VF overruns the list");
  return {};
}

Status check_vlan(std::uint16_t vf, const VfAttributes& wish) {
  const std::string of_vf = " of VF " + std::to_string(vf);
  const auto refuse = [&](const char* field, unsigned value, const char* allowed) {
    return fail(Code::kInvalid,
                field + of_vf + " is " + std::to_string(value) + "; allowed is " + allowed);
  };
  if (wish.vlan && *wish.vlan > 4095) return refuse("vlan", *wish.vlan, "0 to 4095");
  if (wish.qos && *wish.qos > 7) return refuse("qos", *wish.qos, "0 to 7");
  if (wish.vlan_protocol && *wish.vlan_protocol != ETH_P_8021Q &&
      *wish.vlan_protocol != ETH_P_8021AD) {
    return refuse("vlan protocol", *wish.vlan_protocol, "33024 (802.1Q) or 34984 (802.1ad)");
  }
  if (!wish.vlan && (wish.qos || wish.vlan_protocol)) {
    return fail(Code::kInvalid, (wish.qos ? "qos" : "vlan protocol") + of_vf +
                                    " is set without a vlan; the kernel takes them together only");
  }
  return {};
}

void put_vlan(MessageWriter& message, std::uint32_t vf, const VfAttributes& wish) {
  const std::uint16_t protocol = wish.vlan_protocol.value_or(ETH_P_8021Q);
  if (protocol == ETH_P_8021Q) {
    const ifla_vf_vlan value{vf, *wish.vlan, wish.qos.value_or(0)};
    message.put(IFLA_VF_VLAN, &value, sizeof value);
    return;
  }
  ifla_vf_vlan_info value{};
  value.vf = vf;
  value.vlan = *wish.vlan;
  value.qos = wish.qos.value_or(0);
  value.vlan_proto = htons(protocol);
  const auto list = message.begin(IFLA_VF_VLAN_LIST | NLA_F_NESTED);
  message.put(IFLA_VF_VLAN_INFO, &value, sizeof value);
  message.end(list);
}

void put_switch(MessageWriter& message, std::uint16_t type, std::uint32_t vf,
                const std::optional<bool>& on) {
  if (!on) return;
  // ifla_vf_spoofchk, ifla_vf_trust and ifla_vf_rss_query_en are alike.
  const ifla_vf_spoofchk value{vf, *on ? 1U : 0U};
  message.put(type, &value, sizeof value);
}

void put_guid(MessageWriter& message, std::uint16_t type, std::uint32_t vf,
              const std::optional<std::uint64_t>& guid) {
  if (!guid) return;
  ifla_vf_guid value{};
  value.vf = vf;
  value.guid = *guid;
  message.put(type, &value, sizeof value);
}

}  // namespace

VfAttributes changes(const VfAttributes& now, const VfAttributes& wish) {
  const auto differs = [](const auto& is, const auto& shall) { return shall && is != shall; };
  VfAttributes rest = wish;
  const auto drop = [&](auto field) {
    if (!differs(now.*field, wish.*field)) (rest.*field).reset();
  };
  drop(&VfAttributes::mac);
  drop(&VfAttributes::spoof_check);
  drop(&VfAttributes::trust);
  drop(&VfAttributes::rss_query);
  drop(&VfAttributes::link_state);
  drop(&VfAttributes::node_guid);
  drop(&VfAttributes::port_guid);
  const bool vlan = differs(now.vlan, wish.vlan) || differs(now.qos, wish.qos) ||
                    differs(now.vlan_protocol, wish.vlan_protocol);
  if (!vlan) {
    rest.vlan.reset();
    rest.qos.reset();
    rest.vlan_protocol.reset();
  }
  const bool rates = differs(now.min_rate_mbps, wish.min_rate_mbps) ||
                     differs(now.max_rate_mbps, wish.max_rate_mbps);
  if (!rates) {
    rest.min_rate_mbps.reset();
    rest.max_rate_mbps.reset();
  }
  return rest;
}

Status put_vf_attributes(MessageWriter& message, std::uint16_t vf, const VfAttributes& wish) {
  SLUICE_CHECK_OK(check_vlan(vf, wish));
  const auto info = message.begin(IFLA_VF_INFO | NLA_F_NESTED);
  if (wish.mac) {
    ifla_vf_mac value{};
    value.vf = vf;
    std::copy(wish.mac->bytes.begin(), wish.mac->bytes.end(), value.mac);
    message.put(IFLA_VF_MAC, &value, sizeof value);
  }
  if (wish.vlan) put_vlan(message, vf, wish);
  if (wish.min_rate_mbps || wish.max_rate_mbps) {
    const ifla_vf_rate value{vf, wish.min_rate_mbps.value_or(0), wish.max_rate_mbps.value_or(0)};
    message.put(IFLA_VF_RATE, &value, sizeof value);
  }
  put_switch(message, IFLA_VF_SPOOFCHK, vf, wish.spoof_check);
  if (wish.link_state) {
    const ifla_vf_link_state value{vf, static_cast<std::uint32_t>(*wish.link_state)};
    message.put(IFLA_VF_LINK_STATE, &value, sizeof value);
  }
  put_switch(message, IFLA_VF_RSS_QUERY_EN, vf, wish.rss_query);
  put_switch(message, IFLA_VF_TRUST, vf, wish.trust);
  put_guid(message, IFLA_VF_IB_NODE_GUID, vf, wish.node_guid);
  put_guid(message, IFLA_VF_IB_PORT_GUID, vf, wish.port_guid);
  message.end(info);
  return {};
}

Result<VfAttributesByIndex> decode_vf_attributes(const Message& message) {
  const auto header = read_struct<ifinfomsg>(message.payload);
  if (!header) return malformed("too short");
  VfAttributesByIndex all;
  AttributeReader reader(message.payload.subspan(sizeof(ifinfomsg)));
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == IFLA_VFINFO_LIST) SLUICE_CHECK_OK(take_list(attribute.data, all));
  }
  if (reader.malformed()) return malformed("an attribute overruns it");
  return all;
}

}  // namespace sluice::netlink
