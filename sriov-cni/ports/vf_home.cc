// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/vf_home.h"

#include "common/nic/vf_control.h"
#include "sriov-cni/ports/own_link.h"

namespace sluice::cni {
namespace {

using netlink::Link;

// A PF that can't say them now and later: none are known then, and none can be set either.
Result<nic::VfAttributes> attributes_now(const NicPlace& place, const nic::Pf& pf,
                                         const nic::Vf& vf) {
  auto control = nic::make_vf_control(pf, place.vf_control_socket);
  if (!control && control.error().code == Code::kPrecondition) return nic::VfAttributes{};
  if (!control) return fail(std::move(control).error());
  auto attributes = (*control)->attributes(vf);
  if (attributes) return attributes;
  const auto code = attributes.error().code;
  if (code == Code::kNotFound || code == Code::kUnsupported) return nic::VfAttributes{};
  return fail(
      std::move(attributes).error().with("taking the baseline of " + vf.address.to_string()));
}

Result<VfHome> take_home(const NicPlace& place, const nic::Pf& pf, const nic::Vf& vf,
                         const std::optional<Link>& link) {
  if (link && has_any_alias(*link)) {
    return fail(
        Code::kPrecondition,
        "VF " + vf.address.to_string() + " (" + link->name +
            ") still is as a pod had it "
            "(alias '" +
            link->alias + "'), and " + place.baseline_dir +
            " doesn't say how it was before: set name, MAC and MTU right and the alias to ''");
  }
  SLUICE_TRY(auto attributes, attributes_now(place, pf, vf));
  SLUICE_TRY(auto store, nic::BaselineStore::open(place.baseline_dir));
  SLUICE_TRY([[maybe_unused]] const auto outcome, store.record_if_absent(pf, vf, attributes));
  VfHome home;
  home.pci = vf.address.to_string();
  home.pf = pf.address.to_string();
  home.index = vf.index;
  home.attributes = attributes;
  home.sysfs_root = place.sysfs_root;
  home.vf_control_socket = place.vf_control_socket;
  return home;
}

// A link that nobody left dirty has the name that the host wants for it, whatever it was once.
void add_link(const Link& link, VfHome& home) {
  if (!has_any_alias(link) || home.name.empty()) home.name = link.name;
  if (home.mac.is_zero()) home.mac = link.mac;
  if (home.mtu == 0) home.mtu = link.mtu;
  home.link_kind = link.kind;
  home.has_parent = !link.parent.empty();
  home.link_index = link.index.value;
  home.link_peer = link.peer.value;
  if (has_any_alias(link)) return;
  home.alias = link.alias;
  home.up = link.up;
  home.tx_queue_length = link.tx_queue_length;
  home.altnames = link.altnames;
}

}  // namespace

Result<nic::Baseline> baseline_of(const NicPlace& place, const nic::Pf& pf, const nic::Vf& vf) {
  SLUICE_TRY(const auto store, nic::BaselineStore::open(place.baseline_dir));
  SLUICE_TRY(auto baseline, store.load(vf.address));
  if (baseline.pf == pf.address && baseline.vendor == vf.vendor && baseline.device == vf.device) {
    return baseline;
  }
  return fail(Code::kNotFound, "the baseline of VF " + vf.address.to_string() + " in " +
                                   place.baseline_dir + " is of another one, on PF " +
                                   baseline.pf.to_string());
}

VfHome home_by_baseline(const NicPlace& place, const nic::Baseline& baseline) {
  VfHome home;
  home.pci = baseline.vf.to_string();
  home.pf = baseline.pf.to_string();
  home.index = baseline.index;
  home.attributes = baseline.attributes;
  home.driver = baseline.driver;
  home.sysfs_root = place.sysfs_root;
  home.vf_control_socket = place.vf_control_socket;
  if (!baseline.netdev) return home;
  home.name = baseline.netdev->name;
  home.mac = baseline.netdev->mac;
  home.mtu = baseline.netdev->mtu;
  return home;
}

bool seems_left_over(const Link& link, const nic::Baseline& baseline,
                     const std::set<std::string>& names) {
  const bool unused = !link.up && link.master.value == 0 && link.alias.empty();
  return unused && link.parent == baseline.vf.to_string() && baseline.netdev &&
         !names.contains(link.name) && link.mac != baseline.netdev->mac;
}

Result<VfHome> find_home(const NicPlace& place, const nic::Pf& pf, const nic::Vf& vf,
                         const std::optional<Link>& link) {
  VfHome home;
  const auto baseline = baseline_of(place, pf, vf);
  if (baseline) {
    home = home_by_baseline(place, *baseline);
  } else if (baseline.error().code == Code::kNotFound || baseline.error().code == Code::kInvalid) {
    SLUICE_TRY(home, take_home(place, pf, vf, link));
  } else {
    return fail(baseline.error());
  }
  home.driver = vf.driver;
  if (link) add_link(*link, home);
  return home;
}

}  // namespace sluice::cni
