// SPDX-License-Identifier: Apache-2.0
// The pools over time: configuration, inventory, health and use in, device lists out.
//
// Contract:
// - A device is in one pool. One that is in use stays in the pool that it was given from, whatever
//   the configuration says since, listed as unhealthy ("leaves the pool when <pod> ends") until it
//   is free; only then the pool that wants it now gets it. One that isn't in use moves at once.
// - A device that vanished stays listed as unhealthy while somebody has it, and for
//   kVanishedPatience after; then it goes.
// - A pool that the configuration no longer has stays, draining, until its last device is free.
// - A device that is used through one front (device plugin, DRA) is unavailable in the other, and
//   says whose it is. `healthy` in the lists is for the device plugin's front.
// - A pool without a device is still a pool: the kubelet sees it with 0.
// Threading: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/nic/inventory.h"
#include "device-plugin/config/config.h"
#include "device-plugin/pools/assignment.h"
#include "device-plugin/pools/candidate.h"
#include "device-plugin/pools/device.h"

namespace sluice::pools {

inline constexpr Duration kVanishedPatience = std::chrono::minutes(5);

struct Use {
  enum class Front : std::uint8_t { kDevicePlugin, kDra };
  Front front = Front::kDevicePlugin;
  std::string resource;  // kDevicePlugin: "sluice.dev/vf"
  std::string holder;    // "shop/web-0", or "claim shop/net"
  bool operator==(const Use&) const = default;
};

struct Member {
  Device device;
  std::size_t selector = 0;  // of the pool's selectors, that took it
  bool leaving = false;      // no longer the pool's by configuration
  std::optional<Use> use;
  std::optional<Candidate> candidate;  // unset: vanished
};

struct Pool {
  config::PoolConfig config;
  bool draining = false;                            // no longer in the configuration
  std::vector<Member> members;                      // in the order of candidates()
  std::vector<Device> devices() const;              // the kubelet's list
  const Member* find(const std::string& id) const;  // null: not one of its devices
};

struct Snapshot {
  std::shared_ptr<const nic::Inventory> inventory;
  Reserved reserved;
  std::map<std::string, std::string> unhealthy;  // id -> reason
  std::map<std::string, Use> uses;               // by id
};

class PoolSet {
 public:
  explicit PoolSet(config::Config config);
  void configure(config::Config config);  // takes effect with the next update()

  // True when any pool, or any of their lists, changed.
  bool update(Snapshot snapshot, TimePoint now);

  const config::Config& config() const { return config_; }
  const std::vector<Pool>& pools() const { return pools_; }
  const Pool* find(const std::string& resource) const;
  // The pool that has this device now; null: none.
  const Pool* pool_of(const std::string& id) const;

 private:
  config::Config config_;
  Snapshot snapshot_;  // candidates point into its inventory
  std::vector<Pool> pools_;
  std::map<std::string, TimePoint> vanished_;  // since when
};

}  // namespace sluice::pools
