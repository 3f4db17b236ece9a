// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/vf_attributes.h"

#include <arpa/inet.h>
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

}  // namespace

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
