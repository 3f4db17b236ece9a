// SPDX-License-Identifier: Apache-2.0
#include "offload/pmd/flow_ops.h"

#include <ethdev_driver.h>
#include <rte_errno.h>
#include <rte_flow.h>
#include <rte_flow_driver.h>

#include <cstdio>
#include <exception>

#include "offload/pmd/ports.h"
#include "offload/pmd/switch.h"
#include "offload/pmd/translate.h"

// `struct rte_flow` is librte_ethdev's opaque name for a driver's rule. It is never defined here: a
// pointer to it is a RuleId in disguise. None of these functions lets an exception out.
namespace sluice::pmd {
namespace {

rte_flow* to_flow(eswitch::RuleId rule) {
  return reinterpret_cast<rte_flow*>(static_cast<std::uintptr_t>(rule));
}
eswitch::RuleId to_rule(const rte_flow* flow) {
  return static_cast<eswitch::RuleId>(reinterpret_cast<std::uintptr_t>(flow));
}

int out_of_memory(rte_flow_error* error) {
  return rte_flow_error_set(error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr,
                            "out of memory");
}

int refuse(rte_flow_error* error, const Error& e, const void* cause) {
  switch (e.code) {
    case Code::kExists:
      return rte_flow_error_set(error, EEXIST, RTE_FLOW_ERROR_TYPE_HANDLE, cause,
                                "a rule with this group, priority and pattern is there already");
    case Code::kExhausted:
      return rte_flow_error_set(error, ENOSPC, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, cause,
                                "no room: 2^24 rules a table, 4096 tables, 2^20 encapsulations");
    case Code::kNotFound:
      return rte_flow_error_set(error, ENOENT, RTE_FLOW_ERROR_TYPE_HANDLE, cause,
                                "no such rule: it was destroyed or flushed");
    default:
      return rte_flow_error_set(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, cause,
                                "the pattern or an action has a value out of its range");
  }
}

// On a representor's own port everything but queries of the proxy is refused.
int translate_on(rte_eth_dev* dev, const rte_flow_attr* attr, const rte_flow_item* items,
                 const rte_flow_action* actions, TranslatedRule& rule, rte_flow_error* error) {
  const Port& port = port_of(dev);
  if (port.index != kUplinkPort) {
    return rte_flow_error_set(error, EINVAL, RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER, attr,
                              "rules go by the transfer proxy, the uplink's port");
  }
  return translate(*port.owner, attr, items, actions, rule, error);
}

int validate(rte_eth_dev* dev, const rte_flow_attr* attr, const rte_flow_item* items,
             const rte_flow_action* actions, rte_flow_error* error) try {
  TranslatedRule rule;
  return translate_on(dev, attr, items, actions, rule, error);
} catch (const std::exception&) {
  return out_of_memory(error);
}

rte_flow* create(rte_eth_dev* dev, const rte_flow_attr* attr, const rte_flow_item* items,
                 const rte_flow_action* actions, rte_flow_error* error) try {
  TranslatedRule rule;
  if (translate_on(dev, attr, items, actions, rule, error) != 0) return nullptr;
  const auto made =
      port_of(dev).owner->pipeline().insert(rule.group, rule.priority, rule.match, rule.actions);
  if (made) return to_flow(*made);
  refuse(error, made.error(), nullptr);
  return nullptr;
} catch (const std::exception&) {
  out_of_memory(error);
  return nullptr;
}

int destroy(rte_eth_dev* dev, rte_flow* flow, rte_flow_error* error) try {
  const auto done = port_of(dev).owner->pipeline().erase(to_rule(flow));
  return done ? 0 : refuse(error, done.error(), flow);
} catch (const std::exception&) {
  return out_of_memory(error);
}

int flush(rte_eth_dev* dev, rte_flow_error* error) try {
  const Port& port = port_of(dev);
  // Rules belong to the proxy; a representor's port never has any of its own.
  if (port.index == kUplinkPort) port.owner->pipeline().flush();
  return 0;
} catch (const std::exception&) {
  return out_of_memory(error);
}

int query(rte_eth_dev* dev, rte_flow* flow, const rte_flow_action* actions, void* data,
          rte_flow_error* error) try {
  for (; actions->type != RTE_FLOW_ACTION_TYPE_END; ++actions) {
    if (actions->type == RTE_FLOW_ACTION_TYPE_VOID) continue;
    if (actions->type != RTE_FLOW_ACTION_TYPE_COUNT) {
      return rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, actions,
                                "only COUNT can be queried");
    }
    auto& count = *static_cast<rte_flow_query_count*>(data);
    const auto read = port_of(dev).owner->pipeline().query(to_rule(flow), count.reset != 0);
    if (!read) {
      if (read.error().code == Code::kInvalid) {
        return rte_flow_error_set(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, actions,
                                  "the rule has no COUNT action");
      }
      return refuse(error, read.error(), flow);
    }
    count.hits_set = count.bytes_set = 1;
    count.hits = read->packets;
    count.bytes = read->bytes;
  }
  return 0;
} catch (const std::exception&) {
  return out_of_memory(error);
}

int dump(rte_eth_dev* dev, rte_flow* flow, FILE* file, rte_flow_error* error) try {
  if (flow != nullptr) {
    return rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_HANDLE, flow,
                              "only the whole switch can be dumped, not one rule");
  }
  const std::string text = port_of(dev).owner->pipeline().dump();
  std::fwrite(text.data(), 1, text.size(), file);
  return 0;
} catch (const std::exception&) {
  return out_of_memory(error);
}

int pick_proxy(rte_eth_dev* dev, std::uint16_t* proxy, rte_flow_error* error) {
  const Port* uplink = port_of(dev).owner->port(kUplinkPort);
  if (uplink == nullptr) {
    return rte_flow_error_set(error, ENODEV, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr,
                              "the uplink's port is closed");
  }
  *proxy = uplink->port_id;
  return 0;
}

}  // namespace

const rte_flow_ops& flow_ops() {
  static const rte_flow_ops ops = [] {
    rte_flow_ops o{};
    o.validate = validate;
    o.create = create;
    o.destroy = destroy;
    o.flush = flush;
    o.query = query;
    o.dev_dump = dump;
    o.pick_transfer_proxy = pick_proxy;
    return o;
  }();
  return ops;
}

}  // namespace sluice::pmd
