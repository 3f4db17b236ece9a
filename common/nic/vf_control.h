// SPDX-License-Identifier: Apache-2.0
// VfControl: the attributes of a VF that are set from the PF's side. First cut: the MAC.
//
// The seam between real and simulated hardware: make_vf_control() is the one place that chooses,
// by the PF's driver name in the inventory.
#pragma once

#include <memory>
#include <string>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/nic/inventory.h"

namespace sluice::nic {

// The driver name of the simulated NIC in its sysfs tree.
inline constexpr std::string_view kSimulatedDriver = "sluice_softnic";

class VfControl {
 public:
  virtual ~VfControl() = default;
  // The administrative MAC of a VF (IFLA_VF_MAC); zero clears it.
  virtual Status set_mac(const Vf& vf, const MacAddr& mac) = 0;
};

// `socket`: the simulated NIC's (NodeInfo.vf_control_socket), unused for real hardware.
Result<std::unique_ptr<VfControl>> make_vf_control(const Pf& pf, const std::string& socket);

}  // namespace sluice::nic
