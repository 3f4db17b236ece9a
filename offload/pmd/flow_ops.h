// SPDX-License-Identifier: Apache-2.0
// rte_flow on net_esw: transfer rules, by the transfer proxy (the uplink's port).
#pragma once

struct rte_flow_ops;

namespace sluice::pmd {

const rte_flow_ops& flow_ops();

}  // namespace sluice::pmd
