// SPDX-License-Identifier: Apache-2.0
// Where Sluice answers differently on purpose. The peer is sriov-network-device-plugin 40b6f507e.
#include "tests/bench/device_plugin/differential/cases.h"

namespace sluice::bench {
namespace {

constexpr const char* kNumbers =
    "IDs and addresses are numbers, and link types two names: however they are written, they mean "
    "one thing. The peer compares text, and selects nothing without a word";
constexpr const char* kUplink =
    "the function by which the node's default route leads isn't given to a pod. The peer means to "
    "do that, but takes its netlink library's default routes for others";
constexpr const char* kMistake =
    "a mistake costs its own pool, and is said; the others are served. The peer ends, and is "
    "started again for ever";
constexpr const char* kAcpi =
    "acpiIndexes of accelerators, which its documents have, and its code ignores";
constexpr const char* kUio =
    "the peer learns of the device when it makes the device nodes, after the variables: its first "
    "answer lacks it";

constexpr const char* kDeviceInfo =
    "device-info files have all that the specification has a field for, and are written for "
    "accelerators too";

}  // namespace

const std::vector<OnPurpose>& differences_on_purpose() {
  static const std::vector<OnPurpose> rows = {
      {"*", "* devices", "", "-",
       "a pool without devices is a resource of 0; at the peer it isn't there"},
      {"*", "* env SLUICE_VF_*", "*", "-", "the devices by the pool's name alone, for shells"},
      {"*", "* numa 0000:5e:02.4", "1", "-1",
       "a VF of which the platform doesn't say the NUMA node is where its PF is"},
      {"*", "* devinfo * /pci/pf-pci-address", "0000:??:00.0", "-", kDeviceInfo},
      {"needVhostNet", "* devinfo * /pci/vhost-net", "/dev/vhost-net", "-", kDeviceInfo},
      {"accelerator*", "* devinfo 0000:b?:00.0 *", "*", "-", kDeviceInfo},
      {"vendors: upper case", "intel.com/a *", "*", "-", kNumbers},
      {"vendors: 0x", "intel.com/a *", "*", "-", kNumbers},
      {"pciAddresses: short", "intel.com/a *", "*", "-", kNumbers},
      {"rootDevices: ??3b:00.0#1??", "intel.com/a *", "*", "-", kNumbers},
      {"linkTypes: case", "intel.com/a *", "*", "-", kNumbers},
      {"pciAddresses: the node's uplink", "intel.com/a *", "-", "*", kUplink},
      {"pciAddresses: the node's uplink", "intel.com/a devices", "", "0000:82:00.0", kUplink},
      {"everything", "intel.com/a devices", "*0000:81:00.0", "*0000:81:00.0 0000:82:00.0", kUplink},
      {"everything", "intel.com/a numa 0000:82:00.0", "-", "0", kUplink},
      {"pfNames: ??p2??", "intel.com/a *", "*", "-",
       "a PF without VFs is a function of that PF; the peer knows only the names of VFs' PFs"},
      {"*", "*_INFO * uio", "-", "{}", kUio},
      {"*", "*_INFO * uio mount", "/dev/uio?", "-", kUio},
      {"accelerator: acpiIndexes", "intel.com/a 2 *", "-", "*", kAcpi},
      {"accelerator: acpiIndexes", "intel.com/a devices", "0000:b1:00.0",
       "0000:b1:00.0 0000:b2:00.0", kAcpi},
      {"accelerator: acpiIndexes", "intel.com/a numa 0000:b2:00.0", "-", "0", kAcpi},
      {"a name with a hyphen", "* env PCIDEVICE_INTEL_COM_NET_1_X*", "*", "-",
       "shells can't read a variable with a hyphen: it is given under both names"},
      {"an unknown key of a selector", "intel.com/a *", "-", "*",
       "a misspelled key must not select every device: the pool is refused, with a suggestion"},
      {"*", "runs", "yes", "no, exit status *", kMistake},
      {"an unknown device type", "intel.com/good *", "*", "-", kMistake},
      {"a name that is none", "intel.com/good *", "*", "-", kMistake},
  };
  return rows;
}

}  // namespace sluice::bench
