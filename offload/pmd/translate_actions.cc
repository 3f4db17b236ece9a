// SPDX-License-Identifier: Apache-2.0
#include <rte_byteorder.h>
#include <rte_flow.h>
#include <rte_udp.h>

#include <cerrno>
#include <cstring>

#include "offload/pmd/switch.h"
#include "offload/pmd/translate.h"

namespace sluice::pmd {
namespace {

using eswitch::Actions;
using eswitch::Fate;

int refuse(rte_flow_error* error, int code, rte_flow_error_type type, const void* cause,
           const char* why) {
  return rte_flow_error_set(error, code, type, cause, why);
}
int refuse_conf(rte_flow_error* error, const rte_flow_action& action, const char* why) {
  return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF, &action, why);
}

// How far the list has come: the eswitch decapsulates, rewrites, encapsulates, in this order.
enum class Step : std::uint8_t { kStart, kRewritten, kEncapsulated, kDone };

struct Walk {
  const Switch& sw;
  std::uint16_t group;
  Actions& out;
  rte_flow_error* error;
  Step step = Step::kStart;
};

template <class T>
bool conf_of(const rte_flow_action& action, T& conf) {
  if (action.conf == nullptr) return false;
  std::memcpy(&conf, action.conf, sizeof conf);
  return true;
}

MacAddr mac(const std::uint8_t* from) {
  MacAddr to;
  std::memcpy(to.bytes.data(), from, to.bytes.size());
  return to;
}

int set_fate(Walk& w, const rte_flow_action& action, Fate fate, std::uint16_t target) {
  if (w.step == Step::kDone) {
    return refuse(w.error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, &action,
                  "a rule has one fate: JUMP, DROP, PORT_REPRESENTOR or REPRESENTED_PORT");
  }
  if (w.step == Step::kEncapsulated && (fate == Fate::kJump || fate == Fate::kPunt)) {
    return refuse(w.error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, &action,
                  "behind VXLAN_ENCAP only REPRESENTED_PORT and DROP");
  }
  w.step = Step::kDone;
  w.out.fate = fate;
  w.out.target = target;
  return 0;
}

int port_action(Walk& w, const rte_flow_action& action) {
  rte_flow_action_ethdev conf{};
  if (!conf_of(action, conf)) return refuse_conf(w.error, action, "no configuration");
  const bool punt = action.type == RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR;
  if (punt && conf.port_id == 0xffff) return set_fate(w, action, Fate::kPunt, eswitch::kInPort);
  const std::uint16_t index = w.sw.index_of(conf.port_id);
  if (index == Switch::kNoPort) {
    return refuse_conf(w.error, action, "port_id is not a port of this switch domain");
  }
  return set_fate(w, action, punt ? Fate::kPunt : Fate::kOutput, index);
}

int jump(Walk& w, const rte_flow_action& action) {
  rte_flow_action_jump conf{};
  if (!conf_of(action, conf)) return refuse_conf(w.error, action, "no configuration");
  if (conf.group >= eswitch::kGroups) {
    return refuse_conf(w.error, action, "group: 0 to 15");
  }
  if (conf.group <= w.group) {
    return refuse_conf(w.error, action, "jumps go forward: to a group above the rule's own");
  }
  return set_fate(w, action, Fate::kJump, static_cast<std::uint16_t>(conf.group));
}

// Rewrites come before the encapsulation and the fate.
int rewriting(Walk& w, const rte_flow_action& action) {
  if (w.step > Step::kRewritten) {
    return refuse(w.error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, &action,
                  "behind VXLAN_ENCAP or the fate nothing can be rewritten");
  }
  w.step = Step::kRewritten;
  return 0;
}

int set_action(Walk& w, const rte_flow_action& action) {
  if (int r = rewriting(w, action); r != 0) return r;
  rte_flow_action_set_mac eth{};
  rte_flow_action_set_ipv4 ip{};
  rte_flow_action_set_tp port{};
  switch (action.type) {
    case RTE_FLOW_ACTION_TYPE_SET_MAC_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_MAC_DST:
      if (!conf_of(action, eth)) break;
      (action.type == RTE_FLOW_ACTION_TYPE_SET_MAC_SRC ? w.out.eth_src : w.out.eth_dst) =
          mac(eth.mac_addr);
      return 0;
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_DST:
      if (!conf_of(action, ip)) break;
      (action.type == RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC ? w.out.ip_src : w.out.ip_dst) =
          rte_be_to_cpu_32(ip.ipv4_addr);
      return 0;
    default:
      if (!conf_of(action, port)) break;
      (action.type == RTE_FLOW_ACTION_TYPE_SET_TP_SRC ? w.out.l4_src : w.out.l4_dst) =
          static_cast<std::uint16_t>(rte_be_to_cpu_16(port.port));
      return 0;
  }
  return refuse_conf(w.error, action, "no configuration");
}

int set_meta(Walk& w, const rte_flow_action& action) {
  rte_flow_action_set_meta conf{};
  if (!conf_of(action, conf)) return refuse_conf(w.error, action, "no configuration");
  if (w.step > Step::kRewritten) {
    return refuse(w.error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, &action,
                  "behind VXLAN_ENCAP or the fate META can't be set");
  }
  w.out.meta = (w.out.meta & ~conf.mask) | (conf.data & conf.mask);
  w.out.meta_mask |= conf.mask;
  return 0;
}

int decap(Walk& w, const rte_flow_action& action) {
  if (w.step != Step::kStart || w.out.decap) {
    return refuse(w.error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, &action,
                  "VXLAN_DECAP comes once, before anything that rewrites the packet");
  }
  w.out.decap = true;
  return 0;
}

int encap_item(Walk& w, const rte_flow_item& item, eswitch::Tunnel& t) {
  if (item.spec == nullptr && item.type != RTE_FLOW_ITEM_TYPE_VOID) {
    return refuse(w.error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF, &item,
                  "an item of VXLAN_ENCAP's definition without a spec");
  }
  switch (item.type) {
    case RTE_FLOW_ITEM_TYPE_VOID:
      return 0;
    case RTE_FLOW_ITEM_TYPE_ETH: {
      const auto* spec = static_cast<const rte_flow_item_eth*>(item.spec);
      t.eth_dst = mac(spec->hdr.dst_addr.addr_bytes);
      t.eth_src = mac(spec->hdr.src_addr.addr_bytes);
      return 0;
    }
    case RTE_FLOW_ITEM_TYPE_IPV4: {
      const auto* spec = static_cast<const rte_flow_item_ipv4*>(item.spec);
      t.ip_src = Ipv4{rte_be_to_cpu_32(spec->hdr.src_addr)};
      t.ip_dst = Ipv4{rte_be_to_cpu_32(spec->hdr.dst_addr)};
      t.tos = spec->hdr.type_of_service;
      if (spec->hdr.time_to_live != 0) t.ttl = spec->hdr.time_to_live;
      return 0;
    }
    case RTE_FLOW_ITEM_TYPE_UDP: {
      const auto* spec = static_cast<const rte_flow_item_udp*>(item.spec);
      if (spec->hdr.dst_port != 0) {
        t.udp_dst = static_cast<std::uint16_t>(rte_be_to_cpu_16(spec->hdr.dst_port));
      }
      return 0;
    }
    case RTE_FLOW_ITEM_TYPE_VXLAN: {
      const auto* spec = static_cast<const rte_flow_item_vxlan*>(item.spec);
      t.vni = std::uint32_t{spec->vni[0]} << 16U | std::uint32_t{spec->vni[1]} << 8U | spec->vni[2];
      return 0;
    }
    default:
      return refuse(w.error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION_CONF, &item,
                    "VXLAN_ENCAP's definition is ETH, IPV4, UDP, VXLAN");
  }
}

int encap(Walk& w, const rte_flow_action& action) {
  rte_flow_action_vxlan_encap conf{};
  if (!conf_of(action, conf) || conf.definition == nullptr) {
    return refuse_conf(w.error, action, "no definition");
  }
  if (w.step > Step::kRewritten) {
    return refuse(w.error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, &action,
                  "VXLAN_ENCAP comes once, before the fate");
  }
  constexpr rte_flow_item_type kOrder[] = {RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV4,
                                           RTE_FLOW_ITEM_TYPE_UDP, RTE_FLOW_ITEM_TYPE_VXLAN};
  std::size_t seen = 0;
  eswitch::Tunnel tunnel;
  for (const rte_flow_item* item = conf.definition; item->type != RTE_FLOW_ITEM_TYPE_END; ++item) {
    if (int r = encap_item(w, *item, tunnel); r != 0) return r;
    if (item->type == RTE_FLOW_ITEM_TYPE_VOID) continue;
    if (seen == std::size(kOrder) || item->type != kOrder[seen++]) {
      return refuse_conf(w.error, action, "VXLAN_ENCAP's definition is ETH, IPV4, UDP, VXLAN");
    }
  }
  if (seen != std::size(kOrder)) {
    return refuse_conf(w.error, action, "VXLAN_ENCAP's definition is ETH, IPV4, UDP, VXLAN");
  }
  w.out.encap = tunnel;
  w.step = Step::kEncapsulated;
  return 0;
}

int one_action(Walk& w, const rte_flow_action& action) {
  switch (action.type) {
    case RTE_FLOW_ACTION_TYPE_VOID:
      return 0;
    case RTE_FLOW_ACTION_TYPE_COUNT:
      w.out.count = true;
      return 0;
    case RTE_FLOW_ACTION_TYPE_DROP:
      return set_fate(w, action, Fate::kDrop, 0);
    case RTE_FLOW_ACTION_TYPE_JUMP:
      return jump(w, action);
    case RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR:
    case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT:
      return port_action(w, action);
    case RTE_FLOW_ACTION_TYPE_SET_MAC_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_MAC_DST:
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_DST:
    case RTE_FLOW_ACTION_TYPE_SET_TP_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_TP_DST:
      return set_action(w, action);
    case RTE_FLOW_ACTION_TYPE_DEC_TTL:
      if (w.out.dec_ttl) {
        return refuse(w.error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, &action, "DEC_TTL comes once");
      }
      w.out.dec_ttl = true;
      return rewriting(w, action);
    case RTE_FLOW_ACTION_TYPE_SET_META:
      return set_meta(w, action);
    case RTE_FLOW_ACTION_TYPE_VXLAN_DECAP:
      return decap(w, action);
    case RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP:
      return encap(w, action);
    default:
      return refuse(w.error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, &action,
                    "not an action of this switch");
  }
}

}  // namespace

int translate_actions(const Switch& sw, std::uint16_t group, const rte_flow_action* actions,
                      Actions& out, rte_flow_error* error) {
  Walk walk{sw, group, out, error};
  for (const rte_flow_action* a = actions; a->type != RTE_FLOW_ACTION_TYPE_END; ++a) {
    if (int r = one_action(walk, *a); r != 0) return r;
  }
  if (walk.step != Step::kDone) {
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, actions,
                  "a rule needs a fate: JUMP, DROP, PORT_REPRESENTOR or REPRESENTED_PORT");
  }
  return 0;
}

int translate(const Switch& sw, const rte_flow_attr* attr, const rte_flow_item* items,
              const rte_flow_action* actions, TranslatedRule& rule, rte_flow_error* error) {
  if (attr->transfer == 0) {
    return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER, attr,
                  "only transfer rules: the switch has no rules of single ports");
  }
  if (attr->group >= eswitch::kGroups) {
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ATTR_GROUP, attr, "group: 0 to 15");
  }
  if (attr->priority > eswitch::kMaxPriority) {
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY, attr, "priority: 0 to 65535");
  }
  rule.group = static_cast<std::uint16_t>(attr->group);
  rule.priority = static_cast<std::uint16_t>(attr->priority);
  if (int r = translate_items(sw, items, rule.match, error); r != 0) return r;
  return translate_actions(sw, rule.group, actions, rule.actions, error);
}

}  // namespace sluice::pmd
