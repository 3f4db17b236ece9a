// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/vf_return.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/first_error.h"
#include "common/netlink/link_wait.h"
#include "common/nic/driver_binding.h"
#include "common/nic/drivers.h"
#include "common/nic/vf_control.h"
#include "common/nic/vlan_trunk.h"
#include "sriov-cni/ports/vf.h"
#include "sriov-cni/ports/vf_rdma.h"

namespace sluice::cni {
namespace {

using netlink::Link;
using netlink::LinkChange;
using netlink::Rtnl;

// Where a program keeps a NIC's attributes, they went with it: nothing is there to be given back.
// The kernel is always there, and its EAGAIN is a driver's.
bool nobody_keeps_them(const Error& error) {
  return error.code == Code::kUnavailable &&
         (error.native == ENOENT || error.native == ECONNREFUSED);
}

// Only what isn't as it was, so that a second time costs nothing. Taken down always: some drivers
// change nothing while it is up.
LinkChange change_to_home(const Link& link, const VfHome& home) {
  LinkChange change;
  change.up = home.up;
  if (!home.name.empty() && link.name != home.name) change.name = home.name;
  if (!home.mac.is_zero() && link.mac != home.mac) change.mac = home.mac;
  if (home.mtu != 0 && link.mtu != home.mtu) change.mtu = home.mtu;
  if (link.alias != home.alias) change.alias = home.alias;
  if (link.promiscuous) change.promiscuous = false;
  if (link.all_multicast) change.all_multicast = false;
  if (link.group != 0) change.group = 0;
  if (home.tx_queue_length != 0 && link.tx_queue_length != home.tx_queue_length) {
    change.tx_queue_length = home.tx_queue_length;
  }
  change.detach_xdp = link.xdp;
  return change;
}

std::vector<std::string> foreign_altnames(const Link& link, const VfHome& home) {
  std::vector<std::string> out;
  for (const auto& name : link.altnames) {
    const auto& own = home.altnames;
    if (std::find(own.begin(), own.end(), name) == own.end()) out.push_back(name);
  }
  return out;
}

bool is_as_at_home(const Link& link, const VfHome& home) {
  const auto change = change_to_home(link, home);
  return !change.name && !change.mac && !change.mtu && !change.alias && !change.promiscuous &&
         !change.all_multicast && !change.group && !change.tx_queue_length && !change.detach_xdp &&
         foreign_altnames(link, home).empty();
}

// Of one that a link of its own holds (bpf(2), BPF_LINK_CREATE) only that link's owner can be rid:
// it is no reason to keep the VF from home.
Status detach_xdp(Rtnl& rtnl, const Link& link) {
  LinkChange change;
  change.detach_xdp = true;
  auto detached = rtnl.change_link(link.index, change);
  return detached || detached.error().native == EBUSY ? Status{} : detached;
}

Status change_link(Rtnl& rtnl, const Link& link, const VfHome& home, LinkChange change) {
  const auto altnames = foreign_altnames(link, home);
  // First of all: the kernel moves no link whose names are taken, be they its own.
  if (!altnames.empty()) SLUICE_CHECK_OK(rtnl.delete_altnames(link.index, altnames));
  if (std::exchange(change.detach_xdp, false)) SLUICE_CHECK_OK(detach_xdp(rtnl, link));
  return rtnl.change_link(link.index, change);
}

enum class Where : std::uint8_t { kHome, kElsewhere };

Result<std::optional<Link>> find_in(const os::NetNs* pod, const OwnMarks& marks) {
  if (pod == nullptr) return std::optional<Link>{};
  SLUICE_TRY(const auto here, os::NetNs::current());
  if (here.inode() == pod->inode()) return std::optional<Link>{};
  SLUICE_TRY(auto there, Rtnl::open_in(*pod));
  return find_own(there, marks);
}

// Its queueing disciplines and filters needn't be looked for: a move drops them (net/core/dev.c,
// __dev_change_net_namespace()).
Result<Where> bring_out(const Homeward& homeward, const os::NetNs& pod, const Link& link) {
  SLUICE_TRY(auto there, Rtnl::open_in(pod));
  SLUICE_TRY(const auto here, os::NetNs::current());
  auto change = change_to_home(link, homeward.home);
  change.netns_fd = here.fd();
  auto moved = change_link(there, link, homeward.home, change);
  if (moved) return Where::kHome;
  // It may have arrived all the same, under whatever name: the kernel moves first.
  const auto still = there.link(link.index);
  if (!still || !is_own(*still, homeward.marks)) return Where::kElsewhere;
  return fail(std::move(moved).error().with("bringing " + homeward.home.pci +
                                            " back from the pod's namespace"));
}

// The link of a VF that sysfs shows here, or that is here or on its way by its marks.
Result<std::optional<Link>> find_here(const Homeward& homeward, const nic::Vf& vf,
                                      Duration patience) {
  SLUICE_TRY(auto rtnl, Rtnl::open());
  if (vf.netdev) {
    auto link = rtnl.link(vf.netdev->name);
    const bool is_it =
        link && (vf.netdev->if_index == 0 || vf.netdev->if_index == link->index.value);
    if (is_it) return std::optional<Link>(std::move(*link));
  }
  const bool comes_back =
      is_device(homeward.home) && !vf.driver.empty() && !nic::makes_no_netdev(vf.driver);
  SLUICE_TRY(const auto here, os::NetNs::current());
  auto link = netlink::wait_any_link(
      here, [&](const Link& candidate) { return is_own(candidate, homeward.marks); },
      comes_back ? patience : Duration::zero());
  if (link) return std::optional<Link>(std::move(*link));
  if (link.error().code != Code::kTimeout) return fail(std::move(link).error());
  if (!comes_back) return std::optional<Link>{};
  return fail(Error{Code::kUnavailable,
                    Domain::kNone,
                    0,
                    "VF " + homeward.home.pci +
                        " has not come back: it is in another namespace, or its own is still going",
                    {},
                    Retry::kLater});
}

// What a driver refuses now it mostly refused on the way in too: it is as it was then.
Status apply_unless_so(nic::VfControl& control, const nic::Vf& vf, const nic::VfAttributes& one) {
  auto applied = control.apply(vf, one);
  if (applied) return applied;
  const auto now = control.attributes(vf);
  return now && is_so(one, *now) ? Status{} : applied;
}

// For a driver that takes no MAC of zero: with its own as the administrative one a VF may have it.
Status apply_mac(nic::VfControl& control, const nic::Vf& vf, const nic::VfAttributes& one,
                 const VfHome& home) {
  auto applied = apply_unless_so(control, vf, one);
  const bool zero = one.mac && one.mac->is_zero();
  if (applied || !zero || applied.error().code != Code::kInvalid || home.mac.is_zero()) {
    return applied;
  }
  nic::VfAttributes own;
  own.mac = home.mac;
  return apply_unless_so(control, vf, own);
}

Status apply_back(nic::VfControl& control, const nic::Vf& vf, const AttributesBack& back,
                  const VfHome& home) {
  FirstError first;
  auto all = control.apply(vf, back.known);
  if (!all && nobody_keeps_them(all.error())) return {};
  if (!all) {
    // The kernel stopped at the first one that was refused.
    for (const auto& one : one_by_one(back.known)) first.keep(apply_mac(control, vf, one, home));
  }
  for (const auto& one : back.guessed) {
    auto applied = control.apply(vf, one);
    if (!applied && applied.error().code != Code::kUnsupported) first.keep(std::move(applied));
  }
  return std::move(first).take();
}

Status give_attributes_back(const Homeward& homeward, const nic::Pf& pf, const nic::Vf& vf) {
  const auto& back = homeward.attributes;
  if (back.known != nic::VfAttributes{} || !back.guessed.empty()) {
    SLUICE_TRY(const auto control, nic::make_vf_control(pf, homeward.home.vf_control_socket));
    auto applied = apply_back(*control, vf, back, homeward.home);
    if (!applied) {
      return fail(std::move(applied).error().with("giving the attributes of " + homeward.home.pci +
                                                  " back"));
    }
  }
  if (!homeward.trunk) return {};
  SLUICE_TRY(const auto root, os::Root::open(homeward.home.sysfs_root));
  std::vector<nic::VlanRange> trunk;
  for (const auto& range : homeward.home.trunk) trunk.push_back({range.first, range.last});
  auto set = nic::set_vlan_trunk(root, pf.address, vf.index, trunk);
  // A driver without it has none to give back.
  if (set || set.error().code == Code::kUnsupported) return {};
  return fail(
      std::move(set).error().with("giving the VLAN trunk of " + homeward.home.pci + " back"));
}

Status give_mac_back(const Homeward& homeward, const nic::Pf& pf, const nic::Vf& vf) {
  if (!homeward.attributes.mac_afterwards) return {};
  SLUICE_TRY(const auto control, nic::make_vf_control(pf, homeward.home.vf_control_socket));
  auto set = control->set_mac(vf, *homeward.attributes.mac_afterwards);
  if (set || nobody_keeps_them(set.error())) return {};
  return fail(std::move(set).error().with("giving the administrative MAC of " + homeward.home.pci +
                                          " back"));
}

Status bring_rdma_back(const Homeward& homeward, const os::NetNs& pod) {
  SLUICE_TRY(auto there, Rtnl::open_in(pod));
  const auto link = find_own(there, homeward.marks);
  const auto netdev = link && *link ? (*link)->index : netlink::IfIndex{};
  return bring_rdma_home(homeward.rdma, netdev, pod);
}

// One that came home by itself, as its namespace died.
Status name_rdma_again(const Homeward& homeward) {
  SLUICE_TRY(const auto root, os::Root::open(homeward.home.sysfs_root));
  SLUICE_TRY(auto here, Rtnl::open());
  const auto link = here.link(homeward.home.name);
  return name_rdma_at_home(root, homeward.home.pci, link ? link->index : netlink::IfIndex{},
                           homeward.rdma);
}

// GUIDs are taken when the driver starts, by a netdev that is a new one then.
Status rebind_at_home(Nics& nics, const Homeward& homeward) {
  SLUICE_TRY(const auto now, nics.vf(homeward.home.sysfs_root, homeward.address));
  const bool has_driver = !now.vf.driver.empty() || !homeward.home.driver.empty();
  if (!has_driver || homeward.kind != PortKind::kNetdev) return {};
  SLUICE_TRY(const auto link, start_driver_again(homeward.home, now.vf));
  return clean_link(link, homeward.home);
}

// Whose the VF is by now, and where its link is.
enum class Whose : std::uint8_t { kOurs, kAnothers };
struct Found {
  Whose whose = Whose::kOurs;
  std::optional<Link> link;  // none: user space, or it died
  Where where = Where::kHome;
};

// `vf`: null when its PF has lost it. Nothing may be changed before this is known: the attributes
// of a VF that somebody else has are theirs.
Result<Found> find_it(const Homeward& homeward, const nic::Vf* vf, const os::NetNs* pod,
                      Duration patience) {
  Found out;
  if (homeward.kind != PortKind::kNetdev) return out;
  SLUICE_TRY(out.link, find_in(pod, homeward.marks));
  if (out.link) {
    out.where = Where::kElsewhere;
    return out;
  }
  if (vf == nullptr) return out;
  SLUICE_TRY(out.link, find_here(homeward, *vf, patience));
  if (out.link && !is_left_over(*out.link, homeward.marks)) out.whose = Whose::kAnothers;
  return out;
}

Status bring_link_back(Nics& nics, const Homeward& homeward, const Found& found,
                       const os::NetNs* pod, Duration patience) {
  if (found.where == Where::kHome) return clean_link(*found.link, homeward.home);
  SLUICE_TRY(const auto where, bring_out(homeward, *pod, *found.link));
  if (where == Where::kHome) return {};
  // Read again: the move changed what is where.
  const auto now = nics.vf(homeward.home.sysfs_root, homeward.address);
  if (!now) return {};
  SLUICE_TRY(const auto link, find_here(homeward, now->vf, patience));
  if (!link || !is_left_over(*link, homeward.marks)) return {};
  return clean_link(*link, homeward.home);
}

}  // namespace

Result<Link> start_driver_again(const VfHome& home, const nic::Vf& vf) {
  constexpr Duration kPatience = std::chrono::seconds(10);
  SLUICE_TRY(const auto root, os::Root::open(home.sysfs_root));
  // None, where an earlier try ended between taking it from its driver and giving it back.
  const auto& driver = vf.driver.empty() ? home.driver : vf.driver;
  SLUICE_CHECK_OK(nic::rebind(root, vf.address, driver));
  SLUICE_TRY(const auto here, os::NetNs::current());
  auto link = netlink::wait_any_link(
      here, [&](const Link& candidate) { return candidate.parent == home.pci; }, kPatience);
  if (link) return link;
  return fail(std::move(link).error().with("waiting for the netdev of " + home.pci +
                                           " after its driver '" + driver + "' started again"));
}

Status clean_link(const Link& link, const VfHome& home) {
  if (is_as_at_home(link, home)) return {};
  SLUICE_TRY(auto rtnl, Rtnl::open());
  auto change = change_to_home(link, home);
  // The kernel sets both before the flags; drivers want it down for the one, itself for the other.
  if (link.up && (change.mac || change.name)) {
    LinkChange down;
    down.up = false;
    SLUICE_CHECK_OK(rtnl.change_link(link.index, down));
  }
  auto changed = change_link(rtnl, link, home, change);
  if (changed) return {};
  auto error = std::move(changed).error().with("restoring " + link.name + " of " + home.pci);
  if (error.code != Code::kExists || !change.name) return fail(std::move(error));
  // Another link has the name. Its alias stays until it has its own: it isn't home yet.
  error.message =
      "the name " + home.name + " of VF " + home.pci + " is another link's now: " + error.message;
  error.retry = Retry::kLater;
  change.name.reset();
  change.alias.reset();
  change.up = false;
  SLUICE_CHECK_OK(rtnl.change_link(link.index, change));
  return fail(std::move(error));
}

Status bring_back(Nics& nics, const Homeward& homeward, const os::NetNs* pod, Duration patience) {
  FirstError first;
  const auto& root = homeward.home.sysfs_root;
  if (pod != nullptr && !homeward.rdma.empty()) {
    first.keep(
        timed(homeward.times, &PortTimes::rdma, [&] { return bring_rdma_back(homeward, *pod); }));
  }
  // A VF that its PF has lost, or whose PF is gone, has nothing to be given back. Its netdev may
  // live on in the pod where it is software.
  const auto before = nics.vf(root, homeward.address);
  if (!before && before.error().code != Code::kNotFound) first.keep(fail(before.error()));
  const auto* vf = before ? &before->vf : nullptr;
  SLUICE_TRY(const auto found, find_it(homeward, vf, pod, patience));
  if (found.whose == Whose::kAnothers) return std::move(first).take();
  if (before) {
    first.keep(timed(homeward.times, &PortTimes::pf,
                     [&] { return give_attributes_back(homeward, *before->pf, before->vf); }));
  }
  if (found.link) first.keep(bring_link_back(nics, homeward, found, pod, patience));
  if (before && homeward.rebind) first.keep(rebind_at_home(nics, homeward));
  if (found.link && pod == nullptr && !homeward.rdma.empty()) {
    first.keep(timed(homeward.times, &PortTimes::rdma, [&] { return name_rdma_again(homeward); }));
  }
  if (const auto after = nics.vf(root, homeward.address)) {
    first.keep(timed(homeward.times, &PortTimes::pf,
                     [&] { return give_mac_back(homeward, *after->pf, after->vf); }));
  }
  return std::move(first).take();
}

Status return_vf(Nics& nics, const Record& record, const os::NetNs* pod, Duration patience,
                 PortTimes* times) {
  if (!record.vf) return fail(Code::kInternal, "the record of " + record.id() + " has no VF");
  // All that was done to it ended with that boot; how it is now is somebody else's doing.
  if (is_of_another_boot(record)) return {};
  Homeward homeward;
  SLUICE_TRY(homeward.address, nic::PciAddress::parse(record.vf->pci));
  homeward.kind = record.kind;
  homeward.home = *record.vf;
  homeward.marks = marks_of(record);
  homeward.attributes = attributes_back(record);
  homeward.trunk = !record.wish.trunk.empty();
  homeward.rebind = record.wish.attributes.node_guid || record.wish.attributes.port_guid;
  homeward.rdma = record.rdma;
  homeward.times = times;
  return bring_back(nics, homeward, pod, patience);
}

}  // namespace sluice::cni
