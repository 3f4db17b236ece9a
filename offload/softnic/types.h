// SPDX-License-Identifier: Apache-2.0
// What goes into and comes out of the simulated NIC: values, and who takes its legs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "offload/legs/leg.h"

namespace sluice::softnic {

inline constexpr std::uint16_t kMaxVfs = 30;     // the eswitch's ports: uplink, host, 30 VFs
inline constexpr std::uint16_t kUplinkPort = 0;  // switch port numbers
inline constexpr std::uint16_t kHostPort = 1;    // not the NIC's: the node's bridge is behind it
inline constexpr std::uint16_t kFirstVfPort = 2;

struct Options {
  std::string uplink;          // the real netdev that is the wire; it keeps its addresses
  std::uint16_t vfs = 0;       // 1 to kMaxVfs
  std::string rep_netns_path;  // the representors' namespace, kept here by a bind mount
  std::string run_dir;  // sysfs tree at <run_dir>/sysfs, VfControl socket at <run_dir>/vf.sock
  std::string node;     // identities (MACs, switch id) are derived from this name
};

// Implemented over the software eswitch. Called on the loop's thread.
class LegSink {
 public:
  virtual ~LegSink() = default;
  virtual Status attach(std::uint16_t switch_port, std::unique_ptr<legs::Leg> leg) = 0;
  virtual Status detach(std::uint16_t switch_port) = 0;  // nothing attached: success
};

enum class VfPlace : std::uint8_t {
  kHere,   // its netdev is in the engine's namespace
  kInPod,  // its netdev was moved to another namespace
  kGone,   // its netdev died with its namespace and isn't made again yet
};
std::string_view to_string(VfPlace place);  // "here", "in-pod", "gone"

struct VfState {
  std::uint16_t index = 0;
  nic::PciAddress address;
  std::string netdev;  // its name here; "" unless place is kHere
  MacAddr mac;         // of the netdev while it is here; else the one it was made with
  VfPlace place = VfPlace::kGone;
  auto operator<=>(const VfState&) const = default;
};

}  // namespace sluice::softnic
