// SPDX-License-Identifier: Apache-2.0
#include "offload/backends/rteflow/translate.h"

#include <rte_byteorder.h>
#include <rte_flow.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::rteflow {
namespace {

constexpr std::uint16_t kFragmentBits = 0x3fff;  // MF and the offset (RFC 791)
constexpr std::size_t kMaxItems = 8;
constexpr std::size_t kMaxActions = 20;
constexpr std::uint8_t kVersionIhl = 0x45;
constexpr std::uint8_t kOuterTtl = 64;
constexpr std::uint8_t kVniValid = 0x08;  // RFC 7348 section 5

// The masks that rte_flow.h has for C only.
constexpr rte_flow_item_ethdev kEthdevMask{0xffff};

template <class T>
struct SpecMask {
  T spec;
  T mask;
};

void put_vni(std::uint8_t (&field)[3], std::uint32_t vni) {
  field[0] = static_cast<std::uint8_t>(vni >> 16U);
  field[1] = static_cast<std::uint8_t>(vni >> 8U);
  field[2] = static_cast<std::uint8_t>(vni);
}

void put_mac(rte_ether_addr& field, const MacAddr& mac) {
  std::memcpy(field.addr_bytes, mac.bytes.data(), mac.bytes.size());
}

tl::unexpected<Error> invalid(const model::Rule& rule, const std::string& what) {
  return fail(Code::kInvalid, "rule '" + rule.to_string() + "': " + what);
}

}  // namespace

std::optional<std::uint16_t> EthPorts::ethdev_of(model::PortId port) const {
  const auto it = std::find_if(ports.begin(), ports.end(),
                               [&](const auto& entry) { return entry.first == port; });
  if (it == ports.end()) return std::nullopt;
  return it->second;
}

struct Translation::Storage {
  rte_flow_attr attr;
  std::array<rte_flow_item, kMaxItems> items;
  std::array<rte_flow_action, kMaxActions> actions;
  std::size_t item_count;
  std::size_t action_count;
  bool counts;

  // Specs and masks of the items.
  rte_flow_item_ethdev in_port;
  SpecMask<rte_flow_item_meta> meta;
  SpecMask<rte_flow_item_eth> eth;
  SpecMask<rte_flow_item_ipv4> ipv4;
  SpecMask<rte_flow_item_tcp> tcp;
  SpecMask<rte_flow_item_udp> udp;
  SpecMask<rte_flow_item_icmp> icmp;
  SpecMask<rte_flow_item_vxlan> vxlan;

  // Configurations of the actions; one rule has each at most once but for Count.
  rte_flow_action_set_meta set_meta;
  rte_flow_action_set_mac set_eth_src, set_eth_dst;
  rte_flow_action_set_ipv4 set_ip_src, set_ip_dst;
  rte_flow_action_set_tp set_l4_src, set_l4_dst;
  rte_flow_action_count count;
  rte_flow_action_jump jump;
  rte_flow_action_ethdev output;
  rte_flow_action_vxlan_encap encap;
  std::array<rte_flow_item, 5> encap_items;
  rte_flow_item_eth encap_eth;
  rte_flow_item_ipv4 encap_ipv4;
  rte_flow_item_udp encap_udp;
  rte_flow_item_vxlan encap_vxlan;

  void clear() { std::memset(static_cast<void*>(this), 0, sizeof *this); }

  void add_item(rte_flow_item_type type, const void* spec = nullptr, const void* mask = nullptr) {
    items[item_count++] = rte_flow_item{type, spec, nullptr, mask};
  }
  template <class T>
  void add_item(rte_flow_item_type type, const SpecMask<T>& pair) {
    add_item(type, &pair.spec, &pair.mask);
  }
  void add_action(rte_flow_action_type type, const void* conf = nullptr) {
    actions[action_count++] = rte_flow_action{type, conf};
  }

  Status match(const model::Rule& rule, const EthPorts& ports, std::uint16_t vxlan_port);
  void match_eth(const model::Match& m);
  void match_ipv4(const model::Match& m);
  Status match_l4(const model::Rule& rule);
  void match_tunnel(std::uint32_t vni, std::uint16_t vxlan_port);
  Status add(const model::Rule& rule, const model::Action& action, const EthPorts& ports);
  void add_encap(const model::VxlanEncap& a);
};

void Translation::Storage::match_eth(const model::Match& m) {
  if (m.eth_src) {
    put_mac(eth.spec.src, *m.eth_src);
    std::memset(eth.mask.src.addr_bytes, 0xff, sizeof eth.mask.src.addr_bytes);
  }
  if (m.eth_dst) {
    put_mac(eth.spec.dst, *m.eth_dst);
    std::memset(eth.mask.dst.addr_bytes, 0xff, sizeof eth.mask.dst.addr_bytes);
  }
  if (m.eth_type) {
    eth.spec.type = rte_cpu_to_be_16(*m.eth_type);
    eth.mask.type = 0xffff;
  }
  // Spec 0: without a tag.
  if (m.untagged) eth.mask.has_vlan = 1;
  add_item(RTE_FLOW_ITEM_TYPE_ETH, eth);
}

void Translation::Storage::match_ipv4(const model::Match& m) {
  if (m.ip_src) {
    ipv4.spec.hdr.src_addr = rte_cpu_to_be_32(m.ip_src->address.value);
    ipv4.mask.hdr.src_addr = rte_cpu_to_be_32(m.ip_src->mask());
  }
  if (m.ip_dst) {
    ipv4.spec.hdr.dst_addr = rte_cpu_to_be_32(m.ip_dst->address.value);
    ipv4.mask.hdr.dst_addr = rte_cpu_to_be_32(m.ip_dst->mask());
  }
  if (m.proto) {
    ipv4.spec.hdr.next_proto_id = static_cast<std::uint8_t>(*m.proto);
    ipv4.mask.hdr.next_proto_id = 0xff;
  }
  // Without DF, which says nothing about this packet being a fragment.
  if (m.whole) ipv4.mask.hdr.fragment_offset = rte_cpu_to_be_16(kFragmentBits);
  add_item(RTE_FLOW_ITEM_TYPE_IPV4, ipv4);
}

Status Translation::Storage::match_l4(const model::Rule& rule) {
  const model::Match& m = rule.match;
  const bool ports = m.l4_src || m.l4_dst;
  if (!ports && !m.icmp_type && !m.tcp_flags) return {};
  const auto be = [](std::uint16_t value) { return rte_cpu_to_be_16(value); };
  const auto fill = [&](auto& pair) {
    if (m.l4_src) {
      pair.spec.hdr.src_port = be(m.l4_src->value & m.l4_src->mask);
      pair.mask.hdr.src_port = be(m.l4_src->mask);
    }
    if (m.l4_dst) {
      pair.spec.hdr.dst_port = be(m.l4_dst->value & m.l4_dst->mask);
      pair.mask.hdr.dst_port = be(m.l4_dst->mask);
    }
  };
  if (m.icmp_type) {
    if (m.proto != model::Proto::kIcmp || ports || m.tcp_flags) {
      return invalid(rule, "icmp_type needs proto icmp, and no ports or TCP flags");
    }
    icmp.spec.hdr.icmp_type = *m.icmp_type;
    icmp.mask.hdr.icmp_type = 0xff;
    add_item(RTE_FLOW_ITEM_TYPE_ICMP, icmp);
    return {};
  }
  if (m.proto == model::Proto::kTcp) {
    fill(tcp);
    if (m.tcp_flags) {
      tcp.spec.hdr.tcp_flags = m.tcp_flags->value & m.tcp_flags->mask;
      tcp.mask.hdr.tcp_flags = m.tcp_flags->mask;
    }
    add_item(RTE_FLOW_ITEM_TYPE_TCP, tcp);
    return {};
  }
  if (m.proto != model::Proto::kUdp || m.tcp_flags) {
    return invalid(rule, "l4 ports need proto tcp or udp, TCP flags need proto tcp");
  }
  fill(udp);
  add_item(RTE_FLOW_ITEM_TYPE_UDP, udp);
  return {};
}

void Translation::Storage::match_tunnel(std::uint32_t vni, std::uint16_t vxlan_port) {
  udp.spec.hdr.dst_port = rte_cpu_to_be_16(vxlan_port);
  udp.mask.hdr.dst_port = 0xffff;
  add_item(RTE_FLOW_ITEM_TYPE_UDP, udp);
  put_vni(vxlan.spec.vni, vni);
  put_vni(vxlan.mask.vni, 0xffffff);
  add_item(RTE_FLOW_ITEM_TYPE_VXLAN, vxlan);
}

Status Translation::Storage::match(const model::Rule& rule, const EthPorts& ports,
                                   std::uint16_t vxlan_port) {
  const model::Match& m = rule.match;
  if (m.in_port) {
    const auto ethdev = ports.ethdev_of(*m.in_port);
    if (!ethdev) return invalid(rule, "the NIC has no port " + m.in_port->to_string());
    in_port.port_id = *ethdev;
    add_item(RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT, &in_port, &kEthdevMask);
  }
  if (m.meta) {
    meta.spec.data = m.meta->value & m.meta->mask;
    meta.mask.data = m.meta->mask;
    add_item(RTE_FLOW_ITEM_TYPE_META, meta);
  }
  const bool l4 = m.l4_src || m.l4_dst || m.icmp_type || m.tcp_flags;
  const bool ip = m.ip_src || m.ip_dst || m.proto || m.whole || l4 || m.tunnel_vni;
  if (m.eth_src || m.eth_dst || m.eth_type || m.untagged || ip) match_eth(m);
  if (ip) match_ipv4(m);
  if (m.tunnel_vni) {
    if (l4)
      return invalid(rule, "a tunnel can't be matched together with ports, ICMP or TCP flags");
    match_tunnel(*m.tunnel_vni, vxlan_port);
  } else {
    SLUICE_CHECK_OK(match_l4(rule));
  }
  add_item(RTE_FLOW_ITEM_TYPE_END);
  return {};
}

void Translation::Storage::add_encap(const model::VxlanEncap& a) {
  put_mac(encap_eth.src, a.eth_src);
  put_mac(encap_eth.dst, a.eth_dst);
  encap_eth.type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
  encap_ipv4.hdr.version_ihl = kVersionIhl;
  encap_ipv4.hdr.time_to_live = kOuterTtl;
  encap_ipv4.hdr.next_proto_id = static_cast<std::uint8_t>(model::Proto::kUdp);
  encap_ipv4.hdr.src_addr = rte_cpu_to_be_32(a.ip_src.value);
  encap_ipv4.hdr.dst_addr = rte_cpu_to_be_32(a.ip_dst.value);
  // Source port 0: the driver's to choose, a hash of the inner flow.
  encap_udp.hdr.dst_port = rte_cpu_to_be_16(a.udp_dst);
  encap_vxlan.flags = kVniValid;
  put_vni(encap_vxlan.vni, a.vni);
  encap_items = {rte_flow_item{RTE_FLOW_ITEM_TYPE_ETH, &encap_eth, nullptr, nullptr},
                 rte_flow_item{RTE_FLOW_ITEM_TYPE_IPV4, &encap_ipv4, nullptr, nullptr},
                 rte_flow_item{RTE_FLOW_ITEM_TYPE_UDP, &encap_udp, nullptr, nullptr},
                 rte_flow_item{RTE_FLOW_ITEM_TYPE_VXLAN, &encap_vxlan, nullptr, nullptr},
                 rte_flow_item{RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr}};
  encap.definition = encap_items.data();
  add_action(RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP, &encap);
}

Status Translation::Storage::add(const model::Rule& rule, const model::Action& action,
                                 const EthPorts& ports) {
  struct Visitor {
    Storage& s;
    const model::Rule& rule;
    const EthPorts& ports;

    Status operator()(const model::SetMeta& a) const {
      s.set_meta = {a.value, a.mask};
      s.add_action(RTE_FLOW_ACTION_TYPE_SET_META, &s.set_meta);
      return {};
    }
    Status operator()(const model::VxlanDecap&) const {
      s.add_action(RTE_FLOW_ACTION_TYPE_VXLAN_DECAP);
      return {};
    }
    Status set_mac(rte_flow_action_set_mac& conf, rte_flow_action_type type,
                   const MacAddr& mac) const {
      std::memcpy(conf.mac_addr, mac.bytes.data(), mac.bytes.size());
      s.add_action(type, &conf);
      return {};
    }
    Status operator()(const model::SetEthSrc& a) const {
      return set_mac(s.set_eth_src, RTE_FLOW_ACTION_TYPE_SET_MAC_SRC, a.mac);
    }
    Status operator()(const model::SetEthDst& a) const {
      return set_mac(s.set_eth_dst, RTE_FLOW_ACTION_TYPE_SET_MAC_DST, a.mac);
    }
    Status operator()(const model::SetIpSrc& a) const {
      s.set_ip_src.ipv4_addr = rte_cpu_to_be_32(a.ip.value);
      s.add_action(RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC, &s.set_ip_src);
      return {};
    }
    Status operator()(const model::SetIpDst& a) const {
      s.set_ip_dst.ipv4_addr = rte_cpu_to_be_32(a.ip.value);
      s.add_action(RTE_FLOW_ACTION_TYPE_SET_IPV4_DST, &s.set_ip_dst);
      return {};
    }
    Status operator()(const model::SetL4Src& a) const {
      s.set_l4_src.port = rte_cpu_to_be_16(a.port);
      s.add_action(RTE_FLOW_ACTION_TYPE_SET_TP_SRC, &s.set_l4_src);
      return {};
    }
    Status operator()(const model::SetL4Dst& a) const {
      s.set_l4_dst.port = rte_cpu_to_be_16(a.port);
      s.add_action(RTE_FLOW_ACTION_TYPE_SET_TP_DST, &s.set_l4_dst);
      return {};
    }
    Status operator()(const model::DecTtl&) const {
      s.add_action(RTE_FLOW_ACTION_TYPE_DEC_TTL);
      return {};
    }
    Status operator()(const model::Count&) const {
      s.counts = true;
      s.add_action(RTE_FLOW_ACTION_TYPE_COUNT, &s.count);
      return {};
    }
    Status operator()(const model::VxlanEncap& a) const {
      s.add_encap(a);
      return {};
    }
    Status operator()(const model::Jump& a) const {
      s.jump.group = static_cast<std::uint32_t>(a.stage);
      s.add_action(RTE_FLOW_ACTION_TYPE_JUMP, &s.jump);
      return {};
    }
    Status operator()(const model::Output& a) const {
      const auto ethdev = ports.ethdev_of(a.port);
      if (!ethdev) return invalid(rule, "the NIC has no port " + a.port.to_string());
      s.output.port_id = *ethdev;
      s.add_action(RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT, &s.output);
      return {};
    }
    Status operator()(const model::Punt&) const {
      s.output.port_id = kInPortRepresentor;
      s.add_action(RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR, &s.output);
      return {};
    }
    Status operator()(const model::Drop&) const {
      s.add_action(RTE_FLOW_ACTION_TYPE_DROP);
      return {};
    }
  };
  return std::visit(Visitor{*this, rule, ports}, action);
}

Translation::Translation() : storage_(std::make_unique<Storage>()) { storage_->clear(); }
Translation::~Translation() = default;

Status Translation::translate(const model::Rule& rule, const EthPorts& ports,
                              std::uint16_t vxlan_port, unsigned parity) {
  Storage& s = *storage_;
  s.clear();
  s.attr.group = static_cast<std::uint32_t>(rule.stage);
  s.attr.priority = rule.priority * 2U + (parity & 1U);
  s.attr.transfer = 1;
  SLUICE_CHECK_OK(s.match(rule, ports, vxlan_port));
  // One kind of action twice would share its configuration.
  std::uint32_t seen = 0;
  for (const model::Action& action : rule.actions) {
    const std::uint32_t bit = std::uint32_t{1} << action.index();
    if ((seen & bit) != 0) return invalid(rule, "has an action of one kind twice");
    seen |= bit;
    SLUICE_CHECK_OK(s.add(rule, action, ports));
  }
  s.add_action(RTE_FLOW_ACTION_TYPE_END);
  return {};
}

const rte_flow_attr& Translation::attr() const { return storage_->attr; }
const rte_flow_item* Translation::items() const { return storage_->items.data(); }
const rte_flow_action* Translation::actions() const { return storage_->actions.data(); }
bool Translation::counts() const { return storage_->counts; }

}  // namespace sluice::rteflow
