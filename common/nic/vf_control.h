// SPDX-License-Identifier: Apache-2.0
// VfControl: the attributes of a VF that are read and set from the PF's side.
//
// The seam between real and simulated hardware: make_vf_control() is the one place that chooses,
// by the PF's driver name in the inventory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/netlink/vf_attributes.h"
#include "common/nic/inventory.h"

namespace sluice::nic {

using VfAttributes = netlink::VfAttributes;

// The driver name of the simulated NIC in its sysfs tree.
inline constexpr std::string_view kSimulatedDriver = "sluice_softnic";

class VfControl {
 public:
  virtual ~VfControl() = default;
  // All that is set in `wish`, in one request. The simulated NIC takes all of it or nothing; the
  // kernel isn't atomic: it stops at the first attribute that the driver refuses and keeps those
  // before; of a VF that shall be as it was only the changes() should be asked for. GUIDs and
  // 802.1ad on the simulated NIC: Code::kUnsupported.
  virtual Status apply(const Vf& vf, const VfAttributes& wish) = 0;
  // The administrative MAC of a VF (IFLA_VF_MAC) alone; zero clears it.
  Status set_mac(const Vf& vf, const MacAddr& mac);
  // As they are now; what the driver doesn't have is unset.
  virtual Result<VfAttributes> attributes(const Vf& vf) = 0;
  // Of all VFs of the PF, by index: one request to the kernel, one for each VF to the simulated
  // NIC, which leaves out those that it can't answer for.
  virtual Result<std::map<std::uint16_t, VfAttributes>> all_attributes() = 0;
};

// `socket`: the simulated NIC's (NodeInfo.vf_control_socket), unused for real hardware.
Result<std::unique_ptr<VfControl>> make_vf_control(const Pf& pf, const std::string& socket);

}  // namespace sluice::nic
