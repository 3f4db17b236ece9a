// SPDX-License-Identifier: Apache-2.0
// rte_flow's items and actions -> the eswitch's Match and Actions.
//
// Contract: returns 0, or -errno with `error` filled: what was refused, where, and why in words.
// Source: rte_flow.h of DPDK 22.11, whose default masks C++ can't see.
#pragma once

#include <cstdint>

#include "offload/eswitch/actions.h"
#include "offload/eswitch/key.h"

struct rte_flow_action;
struct rte_flow_attr;
struct rte_flow_error;
struct rte_flow_item;

namespace sluice::pmd {

class Switch;

struct TranslatedRule {
  std::uint16_t group = 0;
  std::uint16_t priority = 0;
  eswitch::Match match;
  eswitch::Actions actions;
};

int translate(const Switch& sw, const rte_flow_attr* attr, const rte_flow_item* items,
              const rte_flow_action* actions, TranslatedRule& rule, rte_flow_error* error);

// The two halves, each in a file of its own.
int translate_items(const Switch& sw, const rte_flow_item* items, eswitch::Match& match,
                    rte_flow_error* error);
int translate_actions(const Switch& sw, std::uint16_t group, const rte_flow_action* actions,
                      eswitch::Actions& out, rte_flow_error* error);

}  // namespace sluice::pmd
