// SPDX-License-Identifier: Apache-2.0
// A VF into a pod and back, with its PF's attributes and its RDMA device.
//
// Contract: nothing is changed before everything that can be found wrong was looked for
// (find_vf(), check_wish(), describe_vf()) and the record was saved. A device is known by its PCI
// address (IFLA_PARENT_DEV_NAME) where the kernel says it, else as own_link.h says; another's
// interface is never touched, nor are the attributes of a VF that another has by now. Coming back
// is idempotent and takes a VF as it finds it: in the pod, on the host under the pod's name (the
// kernel returned it), on its way back (waited for by netlink event, with a deadline), on the host
// as it was, or gone with its PF.
// Order of the changes, and why:
//   ADD: the PF's attributes in one request, an administrative MAC of before cleared with them
//   (some
//        drivers refuse the VF's own MAC while one is set and trust is off); one RTM_SETLINK that
//        moves, renames, sets MAC and MTU and brings up; the administrative MAC (confirms the VF's
//        own, where one was asked for); RDMA.
//   back: RDMA first (inventories miss it otherwise); whose the VF is by now; the PF's attributes
//        as they were, without the MAC; the move; the administrative MAC as it was.
// Source: the order of a SETLINK's effects: net/core/rtnetlink.c do_setlink(): the move first, then
// MAC, MTU, name and flags; on a later failure the link stays in the pod under its host name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/netlink/rdma.h"
#include "common/netlink/rtnetlink.h"
#include "common/nic/inventory.h"
#include "common/os/netns.h"
#include "sriov-cni/config/vf_wish.h"
#include "sriov-cni/journal/record.h"
#include "sriov-cni/ports/nics.h"
#include "sriov-cni/ports/port_times.h"

namespace sluice::cni {

// Where VFs are looked for.
struct NicPlace {
  std::string sysfs_root = "/sys";
  std::string vf_control_socket;  // a simulated NIC's; empty on real hardware
  std::string baseline_dir;       // of nic::BaselineStore
};

// What VfHome is by. A VF that is proven clean is at home as it is: whoever changed its MAC or MTU
// on the host since the baseline was taken finds them again. It has a link here, under its name at
// home and without an attachment's alias; that no record has it is for the caller to know.
enum class HomeBy : std::uint8_t {
  kBaseline,  // it may be dirty, or has no netdev to tell by
  kLink,      // clean; the attributes are the baseline's until describe_vf() asks the PF
  kNow,       // there was no baseline: all of it was read just now, and recorded
};

struct FoundVf {
  nic::Pf pf;
  nic::Vf vf;
  PortKind kind = PortKind::kNetdev;
  std::optional<netlink::Link> link;  // of kNetdev, in this namespace
  VfHome home;
  HomeBy home_by = HomeBy::kBaseline;
  std::vector<netlink::RdmaLink> rdma;  // of this VF
  netlink::RdmaMode rdma_mode = netlink::RdmaMode::kShared;
};

// Code::kInvalid says which VFs there are; Retry::kLater when it is there but its netdev isn't (in
// another pod, on its way back, without a driver). A simulated NIC's tree follows its links a
// little later: `patience` is how long it is waited for.
Result<FoundVf> find_vf(Nics& nics, const NicPlace& place, const nic::PciAddress& address,
                        Duration patience = std::chrono::seconds(2));

// Why a device can't be made an interface of a pod, now and later: no VF, or its driver has no
// netdevs. nullopt: it can, or it isn't there at all, which find_vf() says better.
Result<std::optional<std::string>> why_no_interface(const std::string& sysfs_root,
                                                    const std::string& device);

// What this VF, its driver and the system can't do of a wish; each message names the key.
Status check_wish(const FoundVf& found, const VfWish& wish);

// Fills the record's part about the VF: kind, vf, wish, rdma, mac and mtu where not set yet. Where
// the PF will be asked for something, a clean VF's attributes at home are what the PF says now; a
// simulated one's always are its baseline's.
void describe_vf(const FoundVf& found, const VfWish& wish, Record& record);

// `record` must have been saved.
Status attach_vf(const FoundVf& found, const Record& record, const os::NetNs& pod,
                 PortTimes* times = nullptr);

inline constexpr Duration kReturnPatience = std::chrono::seconds(5);

// `pod`: null when the namespace is gone. A VF that hasn't come back from a dying namespace when
// `patience` is over: Code::kUnavailable, Retry::kLater.
Status return_vf(Nics& nics, const Record& record, const os::NetNs* pod,
                 Duration patience = kReturnPatience, PortTimes* times = nullptr);

// CHECK: what isn't as ADD left it; empty: all is.
Result<std::vector<std::string>> check_vf(Nics& nics, const Record& record, const os::NetNs& pod);

// A VF that is on the host, but not as its baseline says (under a pod's name, with an alias of
// ours, dirty): what differs. For repair, which calls restore_stray() for what no record has.
struct Stray {
  nic::PciAddress vf;
  std::vector<std::string> differences;
};
Result<std::vector<Stray>> find_strays(Nics& nics, const NicPlace& place);
Status restore_stray(Nics& nics, const NicPlace& place, const nic::PciAddress& vf);
// The VF that carries `alias`, in `pod` or on the host: for a record that can't be read.
Result<std::optional<nic::PciAddress>> find_by_alias(Nics& nics, const NicPlace& place,
                                                     const std::string& alias,
                                                     const os::NetNs* pod);
// As return_vf(), by the baseline alone.
Status return_by_baseline(Nics& nics, const NicPlace& place, const nic::PciAddress& vf,
                          const std::string& alias, const os::NetNs* pod);

}  // namespace sluice::cni
