// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/vf_home.h"

#include "common/nic/vf_control.h"
#include "sriov-cni/ports/own_link.h"

namespace sluice::cni {
namespace {

using netlink::Link;

// Nobody could say later how it was.
Status check_can_be_home(const NicPlace& place, const nic::Vf& vf,
                         const std::optional<Link>& link) {
  if (!link || !has_any_alias(*link)) return {};
  return fail(Code::kPrecondition,
              "VF " + vf.address.to_string() + " (" + link->name +
                  ") still is as a pod had it (alias '" + link->alias + "'), and " +
                  place.baseline_dir +
                  " doesn't say how its netdev was before: set name, MAC and MTU right and the "
                  "alias to ''");
}

Result<VfHome> take_home(const NicPlace& place, const nic::Pf& pf, const nic::Vf& vf) {
  auto attributes = attributes_now(pf, vf, place.vf_control_socket);
  if (!attributes) {
    return fail(
        std::move(attributes).error().with("taking the baseline of " + vf.address.to_string()));
  }
  SLUICE_TRY(auto store, nic::BaselineStore::open(place.baseline_dir));
  SLUICE_TRY([[maybe_unused]] const auto outcome,
             store.record_if_absent(pf, vf, *attributes,
                                    nic::generation_of(place.sysfs_root, vf.address)));
  VfHome home;
  home.pci = vf.address.to_string();
  home.pf = pf.address.to_string();
  home.index = vf.index;
  home.attributes = *attributes;
  home.sysfs_root = place.sysfs_root;
  home.vf_control_socket = place.vf_control_socket;
  return home;
}

bool is_clean(const Link& link, const VfHome& home) {
  return !has_any_alias(link) && (home.name.empty() || link.name == home.name);
}

// A link that nobody left dirty has the name that the host wants for it, whatever it was once. Its
// MAC and MTU could be a pod's all the same where the name is another one than it was.
void add_link(const Link& link, VfHome& home) {
  const bool clean = is_clean(link, home);
  if (!has_any_alias(link)) home.name = link.name;
  if (clean || home.mac.is_zero()) home.mac = link.mac;
  if (clean || home.mtu == 0) home.mtu = link.mtu;
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

// A PF that can't say them now and later: none are known then, and none can be set either.
Result<nic::VfAttributes> attributes_now(const nic::Pf& pf, const nic::Vf& vf,
                                         const std::string& vf_control_socket) {
  auto control = nic::make_vf_control(pf, vf_control_socket);
  if (!control && control.error().code == Code::kPrecondition) return nic::VfAttributes{};
  if (!control) return fail(std::move(control).error());
  auto attributes = (*control)->attributes(vf);
  if (attributes) return attributes;
  const auto code = attributes.error().code;
  if (code == Code::kNotFound || code == Code::kUnsupported) return nic::VfAttributes{};
  return attributes;
}

Result<nic::Baseline> baseline_of(const NicPlace& place, const nic::Pf& pf, const nic::Vf& vf) {
  SLUICE_TRY(const auto store, nic::BaselineStore::open(place.baseline_dir));
  SLUICE_TRY(auto baseline, store.load(vf.address));
  const bool same =
      baseline.pf == pf.address && baseline.vendor == vf.vendor && baseline.device == vf.device;
  if (same && !nic::same_generation(baseline.generation,
                                    nic::generation_of(place.sysfs_root, vf.address))) {
    return fail(Code::kNotFound, "the baseline of VF " + vf.address.to_string() + " in " +
                                     place.baseline_dir + " is of before the VF was made anew");
  }
  if (same) return baseline;
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

Result<FoundHome> find_home(const NicPlace& place, const nic::Pf& pf, const nic::Vf& vf,
                            const std::optional<Link>& link) {
  FoundHome out;
  const auto baseline = baseline_of(place, pf, vf);
  if (!baseline || !baseline->netdev) SLUICE_CHECK_OK(check_can_be_home(place, vf, link));
  if (baseline) {
    out.home = home_by_baseline(place, *baseline);
    if (link && is_clean(*link, out.home)) out.by = HomeBy::kLink;
  } else if (baseline.error().code == Code::kNotFound || baseline.error().code == Code::kInvalid) {
    SLUICE_TRY(out.home, take_home(place, pf, vf));
    out.by = HomeBy::kNow;
  } else {
    return fail(baseline.error());
  }
  out.home.driver = vf.driver;
  if (link) add_link(*link, out.home);
  return out;
}

}  // namespace sluice::cni
