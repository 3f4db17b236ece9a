// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/vf_pairs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "common/os/unique_fd.h"
#include "offload/softnic/identity.h"
#include "offload/softnic/netns_id.h"

namespace sluice::softnic {
namespace {

constexpr std::string_view kVeth = "veth";

// Representors are wires without a host behind: no link-local address, no router solicitations.
Status disable_ipv6_here() {
  for (const char* path : {"/proc/sys/net/ipv6/conf/all/disable_ipv6",
                           "/proc/sys/net/ipv6/conf/default/disable_ipv6"}) {
    const os::UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
    if (!fd && errno == ENOENT) return {};  // a kernel without IPv6
    if (!fd || ::write(fd.get(), "1", 1) != 1)
      return fail_errno(errno, std::string("write ") + path);
  }
  return {};
}

std::optional<unsigned> representor_index(std::string_view name) {
  constexpr std::string_view kPrefix = "rep";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  unsigned index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return index;
}

}  // namespace

VfPairs::VfPairs(const Options& options, os::NetNs representors, netlink::Rtnl here,
                 netlink::Rtnl there, Logger log)
    : options_(options),
      representors_(std::move(representors)),
      here_(std::move(here)),
      there_(std::move(there)),
      log_(std::move(log)) {}

Result<VfPairs> VfPairs::open(const Options& options, Logger log) {
  SLUICE_TRY(auto representors, os::NetNs::create_named(options.rep_netns_path));
  SLUICE_CHECK_OK(representors.run_in(disable_ipv6_here));
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  SLUICE_TRY(auto there, netlink::Rtnl::open_in(representors));
  return VfPairs(options, std::move(representors), std::move(here), std::move(there),
                 std::move(log));
}

Result<Links> VfPairs::scan() {
  SLUICE_TRY(const auto reps, there_.links());
  SLUICE_TRY(const auto links, here_.links());
  SLUICE_TRY(const auto rep_netns, netns_id(representors_));
  Links result;
  result.vfs.resize(options_.vfs);
  for (std::uint16_t i = 0; i < options_.vfs; ++i) {
    VfPair& pair = result.vfs[i];
    const std::string name = representor_name(i);
    const auto rep = std::find_if(reps.begin(), reps.end(), [&](const netlink::Link& link) {
      return link.name == name && link.kind == kVeth;
    });
    if (rep == reps.end()) continue;
    pair.representor = *rep;
    const auto netdev = std::find_if(links.begin(), links.end(), [&](const netlink::Link& link) {
      return link.kind == kVeth && link.peer == rep->index && link.peer_netns && rep_netns &&
             *link.peer_netns == *rep_netns;
    });
    if (netdev != links.end()) pair.netdev = *netdev;
  }
  for (const auto& link : links) {
    if (link.name == options_.uplink) result.uplink = link;
  }
  return result;
}

Status VfPairs::make(std::uint16_t index, const MacAddr& mac, std::uint32_t mtu) {
  const netlink::VethEnd netdev{vf_name(options_.uplink, index), mac, mtu, std::nullopt, false};
  const netlink::VethEnd rep{representor_name(index), std::nullopt, mtu, representors_.fd(), false};
  SLUICE_CHECK_OK(here_.add_veth(netdev, rep));
  SLUICE_TRY(const auto made, there_.link(rep.name));
  const auto raised = set_right(made, mtu);
  return raised ? Status{} : fail(raised.error());
}

Result<bool> VfPairs::set_right(const netlink::Link& representor, std::uint32_t mtu) {
  // One request puts it up and takes ARP away, so what is up has no ARP.
  if (representor.up && representor.mtu == mtu) return false;
  netlink::LinkChange change;
  change.arp = false;
  change.up = true;
  change.mtu = mtu;
  SLUICE_CHECK_OK(there_.change_link(representor.index, change));
  return true;
}

Status VfPairs::change_netdev(netlink::IfIndex netdev, const netlink::LinkChange& change) {
  return here_.change_link(netdev, change);
}

Status VfPairs::remember(netlink::IfIndex representor, const VfSettings& settings) {
  netlink::LinkChange change;
  change.alias = to_text(settings);
  return there_.change_link(representor, change);
}

VfSettings VfPairs::remembered(const netlink::Link& representor) {
  return settings_from(representor.alias);
}

Status VfPairs::remove_surplus() {
  SLUICE_TRY(const auto reps, there_.links());
  SLUICE_TRY(const auto links, here_.links());
  SLUICE_TRY(const auto rep_netns, netns_id(representors_));
  for (const auto& rep : reps) {
    const auto index = representor_index(rep.name);
    if (!index || *index < options_.vfs || rep.kind != kVeth) continue;
    const bool is_here = std::any_of(links.begin(), links.end(), [&](const netlink::Link& link) {
      return link.peer == rep.index && link.peer_netns && rep_netns &&
             *link.peer_netns == *rep_netns;
    });
    if (is_here) {
      SLUICE_CHECK_OK(there_.delete_link(rep.index));
    } else {
      log_.warn("surplus VF is still in a pod", {{"vf", *index}});
    }
  }
  return {};
}

Status VfPairs::remove_all() {
  SLUICE_TRY(const auto reps, there_.links());
  for (const auto& rep : reps) {
    if (representor_index(rep.name)) SLUICE_CHECK_OK(there_.delete_link(rep.index));
  }
  return os::NetNs::remove_named(options_.rep_netns_path);
}

}  // namespace sluice::softnic
