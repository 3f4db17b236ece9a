// SPDX-License-Identifier: Apache-2.0
// The switch's ports as ethdevs: librte_ethdev's calls on one port.
#pragma once

#include <cstdint>

struct rte_eth_dev;

namespace sluice::pmd {

class Switch;
struct Port;

// What rte_eth_dev_create() hands to its callback.
struct PortInit {
  Switch* owner;
  std::uint16_t index;        // in the switch
  std::uint16_t representor;  // id; 0 for the uplink
  std::uint16_t backer;       // ethdev port of the uplink
};
// Fills the ethdev and makes the Port behind it. 0 or -errno.
int init_port(rte_eth_dev* dev, void* port_init);

Port& port_of(const rte_eth_dev* dev);

}  // namespace sluice::pmd
