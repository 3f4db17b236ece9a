// SPDX-License-Identifier: Apache-2.0
// A pool "sluice.dev/vf" of a PF with three VFs: one free, one in use, one unhealthy.
#pragma once

#include <memory>
#include <utility>

#include "device-plugin/pools/pool_set.h"

namespace sluice::testing {

inline std::shared_ptr<nic::Inventory> three_vfs() {
  auto inventory = std::make_shared<nic::Inventory>();
  nic::Pf pf;
  pf.address = {0, 0x3b, 0, 0};
  pf.class_code = 0x020000;
  pf.driver = "mlx5_core";
  pf.sriov = true;
  pf.total_vfs = pf.num_vfs = 3;
  pf.netdev.emplace();
  pf.netdev->name = "p0";
  for (std::uint16_t i = 0; i < 3; ++i) {
    nic::Vf vf;
    vf.address = {0, 0x3b, 0, static_cast<std::uint8_t>(2 + i)};
    vf.class_code = 0x020000;
    vf.driver = "mlx5_core";
    vf.index = i;
    vf.numa_node = 1;
    pf.vfs.push_back(std::move(vf));
  }
  inventory->pfs.push_back(std::move(pf));
  return inventory;
}

inline pools::PoolSet three_vf_pools(config::Config config) {
  pools::PoolSet pools(std::move(config));
  pools::Snapshot snapshot;
  snapshot.inventory = three_vfs();
  snapshot.uses["0000:3b:00.3"] = {pools::Use::Front::kDra, "sluice.dev/vf", "claim shop/net"};
  snapshot.unhealthy["0000:3b:00.4"] = "PF p0 has no carrier";
  pools.update(std::move(snapshot), TimePoint{});
  return pools;
}

}  // namespace sluice::testing
