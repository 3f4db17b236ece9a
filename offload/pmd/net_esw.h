// SPDX-License-Identifier: Apache-2.0
// The software NIC as its owner sees it: what librte_ethdev has no call for, legs above all.
//
// Contract: `device` is the vdev's name ("net_esw0"). Switch port numbers: 0 uplink, 1 host, 2+i VF
// i. Threading: from any thread, the datapath may run. attach_leg() and detach_leg() return when
// the datapath has taken notice. Not to be called while the device is being removed. Errors:
// kNotFound for a device or port that isn't there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "offload/legs/leg.h"

namespace sluice::pmd {

// Replaces the leg that was there. The device owns it from now on.
Status attach_leg(const std::string& device, std::uint16_t port, std::unique_ptr<legs::Leg> leg);
// Nothing attached: fine.
Status detach_leg(const std::string& device, std::uint16_t port);

struct PortCounters {
  legs::LegStats leg;              // of the leg that is attached, or was last
  std::uint64_t slow_packets = 0;  // frames given to the representor (misses and punts)
  std::uint64_t slow_dropped = 0;  // that it had no room for, or that were malformed
  std::uint64_t tx_slow = 0;       // frames sent by the representor
  bool attached = false;
  bool alive = false;  // false: the netdev behind the last leg went away
};
Result<PortCounters> port_counters(const std::string& device, std::uint16_t port);

// Called by main(), so that the linker keeps the driver and its registration with DPDK.
void link_driver();

}  // namespace sluice::pmd
