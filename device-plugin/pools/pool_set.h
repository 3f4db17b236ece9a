// SPDX-License-Identifier: Apache-2.0
// Which VF belongs to which pool, and how it is.
//
// Contract: a VF joins the first pool whose selectors match it and stays there for the life of this
// object. It is healthy while it is in the inventory with a driver bound; a VF without a netdev is
// healthy (it is in a pod, or has no network driver). A VF that vanishes stays listed as unhealthy,
// because the kubelet may still count it as some pod's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "device-plugin/pools/device.h"
#include "device-plugin/pools/pool_config.h"

namespace sluice::pools {

class PoolSet {
 public:
  explicit PoolSet(std::vector<PoolConfig> configs);

  // True when any pool's list changed.
  bool update(const nic::Inventory& inventory);

  const std::vector<PoolConfig>& configs() const { return configs_; }
  // In the order of PF and VF index; empty for a name that isn't a pool's.
  std::vector<Device> devices(const std::string& pool) const;

 private:
  struct Member {
    std::size_t pool = 0;
    nic::PciAddress pf;
    std::uint16_t index = 0;
    Device device;
    bool operator==(const Member&) const = default;
  };

  std::vector<PoolConfig> configs_;
  std::map<nic::PciAddress, Member> members_;
};

}  // namespace sluice::pools
