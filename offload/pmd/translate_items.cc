// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_flow.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "offload/pmd/switch.h"
#include "offload/pmd/translate.h"

namespace sluice::pmd {
namespace {

using eswitch::Fields;
using eswitch::Match;

int refuse(rte_flow_error* error, int code, rte_flow_error_type type, const rte_flow_item& item,
           const char* why) {
  return rte_flow_error_set(error, code, type, &item, why);
}
int refuse_mask(rte_flow_error* error, const rte_flow_item& item, const char* why) {
  return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK, item, why);
}

// Spec and mask of an item by value; without a mask, the API's default for its type.
template <class T>
struct Item {
  T spec{};
  T mask{};
  bool any = true;  // no spec: any packet that has such a header

  Item(const rte_flow_item& item, const T& default_mask) {
    if (item.spec == nullptr) return;
    any = false;
    std::memcpy(&spec, item.spec, sizeof spec);
    mask = default_mask;
    if (item.mask != nullptr) std::memcpy(&mask, item.mask, sizeof mask);
  }
};

// Whether the mask has bits outside of those of `allowed`.
template <class T>
bool exceeds(const T& mask, const T& allowed) {
  std::array<std::uint8_t, sizeof(T)> m;
  std::array<std::uint8_t, sizeof(T)> a;
  std::memcpy(m.data(), &mask, sizeof mask);
  std::memcpy(a.data(), &allowed, sizeof allowed);
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    if ((m[i] & ~a[i] & 0xff) != 0) return true;
  }
  return false;
}

MacAddr mac(const rte_ether_addr& from) {
  MacAddr to;
  std::memcpy(to.bytes.data(), from.addr_bytes, to.bytes.size());
  return to;
}

// Headers so far, to tell what a TCP item may follow.
struct State {
  bool ip = false, l4 = false, port = false;
};

int port_item(const Switch& sw, const rte_flow_item& item, Match& m, State& state,
              rte_flow_error* error) {
  rte_flow_item_ethdev all{};
  all.port_id = 0xffff;
  const Item<rte_flow_item_ethdev> it(item, all);
  if (it.any || it.mask.port_id == 0) return 0;
  if (it.mask.port_id != 0xffff) {
    return refuse_mask(error, item, "a port is matched whole: port_id mask 0xffff or 0");
  }
  const std::uint16_t index = sw.index_of(it.spec.port_id);
  if (index == Switch::kNoPort) {
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, item,
                  "port_id is not a port of this switch domain");
  }
  if (state.port) {
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, item, "a packet comes from one port");
  }
  state.port = true;
  m.value.in_port = index;
  m.mask.in_port = 0xffff;
  return 0;
}

int eth_item(const rte_flow_item& item, Match& m) {
  rte_flow_item_eth def{};
  std::memset(&def.hdr.dst_addr, 0xff, sizeof def.hdr.dst_addr);
  std::memset(&def.hdr.src_addr, 0xff, sizeof def.hdr.src_addr);
  const Item<rte_flow_item_eth> it(item, def);
  if (it.any) return 0;
  if (it.mask.has_vlan != 0) {
    m.value.is_tagged = it.spec.has_vlan != 0;
    m.mask.is_tagged = true;
  }
  m.value.eth_dst = mac(it.spec.hdr.dst_addr);
  m.mask.eth_dst = mac(it.mask.hdr.dst_addr);
  m.value.eth_src = mac(it.spec.hdr.src_addr);
  m.mask.eth_src = mac(it.mask.hdr.src_addr);
  m.value.eth_type = rte_be_to_cpu_16(it.spec.hdr.ether_type);
  m.mask.eth_type = rte_be_to_cpu_16(it.mask.hdr.ether_type);
  return 0;
}

int vlan_item(const rte_flow_item& item, Match& m, rte_flow_error* error) {
  rte_flow_item_vlan def{};
  def.hdr.vlan_tci = RTE_BE16(0x0fff);
  const Item<rte_flow_item_vlan> it(item, def);
  if (it.mask.has_more_vlan != 0) {
    return refuse_mask(error, item, "has_more_vlan: one VLAN tag is looked at, not two");
  }
  m.value.is_tagged = m.mask.is_tagged = true;
  m.value.vlan_tci = rte_be_to_cpu_16(it.spec.hdr.vlan_tci);
  m.mask.vlan_tci = rte_be_to_cpu_16(it.mask.hdr.vlan_tci);
  if (it.mask.hdr.eth_proto != 0) {
    m.value.eth_type = rte_be_to_cpu_16(it.spec.hdr.eth_proto);
    m.mask.eth_type = rte_be_to_cpu_16(it.mask.hdr.eth_proto);
  }
  return 0;
}

int fragment_field(const rte_flow_item& item, std::uint16_t spec, std::uint16_t mask, Match& m,
                   rte_flow_error* error) {
  if (mask == 0) return 0;
  if (spec != 0) {
    return refuse_mask(error, item, "fragment_offset can only be matched as 0");
  }
  if (mask == 0x3fff) {
    m.mask.is_fragment = true;  // value false: whole packets
    return 0;
  }
  if (mask == 0x1fff) {
    m.mask.is_later_fragment = true;
    return 0;
  }
  return refuse_mask(error, item,
                     "fragment_offset mask: 0x3fff (whole) or 0x1fff (not a later one)");
}

int ipv4_item(const rte_flow_item& item, Match& m, State& state, rte_flow_error* error) {
  rte_flow_item_ipv4 def{};
  def.hdr.src_addr = def.hdr.dst_addr = 0xffffffff;
  rte_flow_item_ipv4 allowed = def;
  allowed.hdr.next_proto_id = 0xff;
  allowed.hdr.fragment_offset = 0xffff;
  const Item<rte_flow_item_ipv4> it(item, def);
  if (exceeds(it.mask, allowed)) {
    return refuse_mask(
        error, item, "of IPv4: src_addr, dst_addr, next_proto_id, fragment_offset; no other field");
  }
  state.ip = true;
  m.value.is_ipv4 = m.mask.is_ipv4 = true;
  m.value.ip_src = rte_be_to_cpu_32(it.spec.hdr.src_addr);
  m.mask.ip_src = rte_be_to_cpu_32(it.mask.hdr.src_addr);
  m.value.ip_dst = rte_be_to_cpu_32(it.spec.hdr.dst_addr);
  m.mask.ip_dst = rte_be_to_cpu_32(it.mask.hdr.dst_addr);
  m.value.proto = it.spec.hdr.next_proto_id;
  m.mask.proto = it.mask.hdr.next_proto_id;
  const auto mask = static_cast<std::uint16_t>(rte_be_to_cpu_16(it.mask.hdr.fragment_offset));
  const auto spec =
      static_cast<std::uint16_t>(rte_be_to_cpu_16(it.spec.hdr.fragment_offset) & mask);
  return fragment_field(item, spec, mask, m, error);
}

int set_proto(const rte_flow_item& item, std::uint8_t proto, Match& m, State& state,
              rte_flow_error* error) {
  if (!state.ip || state.l4) {
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, item,
                  "TCP, UDP and ICMP follow one IPV4 item");
  }
  if ((m.value.proto & m.mask.proto) != (proto & m.mask.proto)) {
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, item,
                  "the IPV4 item's next_proto_id is of another protocol");
  }
  state.l4 = true;
  m.value.proto = proto;
  m.mask.proto = 0xff;
  return 0;
}

int tcp_item(const rte_flow_item& item, Match& m, State& state, rte_flow_error* error) {
  rte_flow_item_tcp def{};
  def.hdr.src_port = def.hdr.dst_port = 0xffff;
  rte_flow_item_tcp allowed = def;
  allowed.hdr.tcp_flags = 0xff;
  const Item<rte_flow_item_tcp> it(item, def);
  if (exceeds(it.mask, allowed)) {
    return refuse_mask(error, item, "of TCP: src_port, dst_port, tcp_flags; no other field");
  }
  m.value.l4_src = rte_be_to_cpu_16(it.spec.hdr.src_port);
  m.mask.l4_src = rte_be_to_cpu_16(it.mask.hdr.src_port);
  m.value.l4_dst = rte_be_to_cpu_16(it.spec.hdr.dst_port);
  m.mask.l4_dst = rte_be_to_cpu_16(it.mask.hdr.dst_port);
  m.value.tcp_flags = it.spec.hdr.tcp_flags;
  m.mask.tcp_flags = it.mask.hdr.tcp_flags;
  return set_proto(item, IPPROTO_TCP, m, state, error);
}

int udp_item(const rte_flow_item& item, Match& m, State& state, rte_flow_error* error) {
  rte_flow_item_udp def{};
  def.hdr.src_port = def.hdr.dst_port = 0xffff;
  const Item<rte_flow_item_udp> it(item, def);
  if (exceeds(it.mask, def)) {
    return refuse_mask(error, item, "of UDP: src_port, dst_port; no other field");
  }
  m.value.l4_src = rte_be_to_cpu_16(it.spec.hdr.src_port);
  m.mask.l4_src = rte_be_to_cpu_16(it.mask.hdr.src_port);
  m.value.l4_dst = rte_be_to_cpu_16(it.spec.hdr.dst_port);
  m.mask.l4_dst = rte_be_to_cpu_16(it.mask.hdr.dst_port);
  return set_proto(item, IPPROTO_UDP, m, state, error);
}

int icmp_item(const rte_flow_item& item, Match& m, State& state, rte_flow_error* error) {
  rte_flow_item_icmp def{};
  def.hdr.icmp_type = def.hdr.icmp_code = 0xff;
  const Item<rte_flow_item_icmp> it(item, def);
  if (exceeds(it.mask, def)) {
    return refuse_mask(error, item, "of ICMP: icmp_type, icmp_code; no other field");
  }
  m.value.icmp_type = it.spec.hdr.icmp_type;
  m.mask.icmp_type = it.mask.hdr.icmp_type;
  m.value.icmp_code = it.spec.hdr.icmp_code;
  m.mask.icmp_code = it.mask.hdr.icmp_code;
  return set_proto(item, IPPROTO_ICMP, m, state, error);
}

int vxlan_item(const rte_flow_item& item, Match& m, const State& state, rte_flow_error* error) {
  if (!state.l4 || m.value.proto != IPPROTO_UDP) {
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, item, "VXLAN follows a UDP item");
  }
  rte_flow_item_vxlan def{};
  std::memset(def.vni, 0xff, sizeof def.vni);
  const Item<rte_flow_item_vxlan> it(item, def);
  if (exceeds(it.mask, def)) {
    return refuse_mask(error, item, "of VXLAN: vni; no other field");
  }
  const auto vni = [](const std::uint8_t(&v)[3]) {
    return std::uint32_t{v[0]} << 16U | std::uint32_t{v[1]} << 8U | v[2];
  };
  m.value.is_tunnel = m.mask.is_tunnel = true;
  m.value.vni = vni(it.spec.vni);
  m.mask.vni = vni(it.mask.vni);
  // RFC 7348's port, where the UDP item leaves it open: other UDP may look like VXLAN.
  if (m.mask.l4_dst == 0) m.value.l4_dst = 4789, m.mask.l4_dst = 0xffff;
  return 0;
}

int meta_item(const rte_flow_item& item, Match& m) {
  rte_flow_item_meta def{};
  def.data = 0xffffffff;
  const Item<rte_flow_item_meta> it(item, def);
  m.value.meta = it.spec.data;
  m.mask.meta = it.mask.data;
  return 0;
}

}  // namespace

int translate_items(const Switch& sw, const rte_flow_item* items, Match& m, rte_flow_error* error) {
  State state;
  for (; items->type != RTE_FLOW_ITEM_TYPE_END; ++items) {
    const rte_flow_item& item = *items;
    if (item.last != nullptr) {
      return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_LAST, item,
                    "ranges (last) can't be matched, masks can");
    }
    if (item.spec == nullptr && item.mask != nullptr) {
      return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, item, "a mask without a spec");
    }
    int r = 0;
    switch (item.type) {
      case RTE_FLOW_ITEM_TYPE_VOID:
      case RTE_FLOW_ITEM_TYPE_ANY:
        break;
      case RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT:
        r = port_item(sw, item, m, state, error);
        break;
      case RTE_FLOW_ITEM_TYPE_ETH:
        r = eth_item(item, m);
        break;
      case RTE_FLOW_ITEM_TYPE_VLAN:
        r = vlan_item(item, m, error);
        break;
      case RTE_FLOW_ITEM_TYPE_IPV4:
        r = ipv4_item(item, m, state, error);
        break;
      case RTE_FLOW_ITEM_TYPE_TCP:
        r = tcp_item(item, m, state, error);
        break;
      case RTE_FLOW_ITEM_TYPE_UDP:
        r = udp_item(item, m, state, error);
        break;
      case RTE_FLOW_ITEM_TYPE_ICMP:
        r = icmp_item(item, m, state, error);
        break;
      case RTE_FLOW_ITEM_TYPE_VXLAN:
        r = vxlan_item(item, m, state, error);
        break;
      case RTE_FLOW_ITEM_TYPE_META:
        r = meta_item(item, m);
        break;
      case RTE_FLOW_ITEM_TYPE_PORT_REPRESENTOR:
        return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, item,
                      "what a representor sends goes straight to its port: no rule sees it");
      default:
        return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, item,
                      "not an item of this switch: REPRESENTED_PORT, ETH, VLAN, IPV4, TCP, UDP, "
                      "ICMP, VXLAN, META");
    }
    if (r != 0) return r;
  }
  return 0;
}

}  // namespace sluice::pmd
