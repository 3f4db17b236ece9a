// SPDX-License-Identifier: Apache-2.0
// model::Rule -> rte_flow attributes, items and actions, in place: nothing is allocated.
//
// Contract: stage is the group; priority is doubled, plus `parity`, so that the new version of a
// rule can be made beside the old one. All rules are transfer rules, for the transfer proxy.
// Punt is PORT_REPRESENTOR to 0xffff: the representor of the port that the packet came in by.
// Errors: kInvalid when the rule says something that rte_flow can't (l4 ports without a protocol).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "offload/model/rule.h"

struct rte_flow_action;
struct rte_flow_attr;
struct rte_flow_item;

namespace sluice::rteflow {

// The ports of one eswitch by their ethdev numbers.
struct EthPorts {
  std::uint16_t proxy = 0;  // the transfer proxy, which is also the uplink
  std::string device;       // its name
  std::vector<std::pair<model::PortId, std::uint16_t>> ports;  // the uplink too; sorted

  std::optional<std::uint16_t> ethdev_of(model::PortId port) const;
};

inline constexpr std::uint16_t kInPortRepresentor = 0xffff;

class Translation {
 public:
  Translation();
  ~Translation();
  Translation(const Translation&) = delete;
  Translation& operator=(const Translation&) = delete;

  // Replaces what was translated before; what the getters return is valid until the next call.
  Status translate(const model::Rule& rule, const EthPorts& ports, std::uint16_t vxlan_port,
                   unsigned parity);

  const rte_flow_attr& attr() const;
  const rte_flow_item* items() const;
  const rte_flow_action* actions() const;
  bool counts() const;

 private:
  struct Storage;
  std::unique_ptr<Storage> storage_;  // once an object; reused by every translate()
};

}  // namespace sluice::rteflow
