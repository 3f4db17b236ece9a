// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/pod_side.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "common/netlink/rtnetlink.h"
#include "common/os/unique_fd.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/ports/own_link.h"
#include "sriov-cni/ports/pod_routes.h"

namespace sluice::cni {
namespace {

using netlink::IpAddress;

// False: there is no such file (no IPv6, an option that the kernel wasn't built with), or /proc
// can't be written to.
bool write_sysctl(const std::string& path, std::string_view value) {
  const os::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

bool write_ipv6_sysctl(const std::string& interface, const char* name, std::string_view value) {
  return write_sysctl("/proc/sys/net/ipv6/conf/" + interface + "/" + name, value);
}

struct Ipv6 {
  bool optimistic = false;  // addresses can be
};

// Whether links that are yet to come take router advertisements; by the descriptor it is the pod's
// from wherever it is written. Empty: no IPv6, or a namespace that can't be entered, which shows
// with the next step.
os::UniqueFd open_default_accept_ra(const os::NetNs& pod) {
  os::UniqueFd out;
  [[maybe_unused]] const auto entered = pod.run_in([&]() -> Status {
    out = os::UniqueFd(::open("/proc/sys/net/ipv6/conf/default/accept_ra", O_RDWR | O_CLOEXEC));
    return {};
  });
  return out;
}

// In the pod's namespace.
Ipv6 set_ipv6_up(const std::string& interface, bool has_addresses, const PodRules& rules) {
  Ipv6 out;
  if (rules.refuse_advertisements) write_ipv6_sysctl(interface, "accept_ra", "0");
  if (!has_addresses) return out;
  write_ipv6_sysctl("lo", "disable_ipv6", "0");
  write_ipv6_sysctl(interface, "disable_ipv6", "0");
  write_ipv6_sysctl(interface, "keep_addr_on_down", "1");
  // The first lets the flag through, the second lets such an address be a source.
  out.optimistic = write_ipv6_sysctl(interface, "optimistic_dad", "1") &&
                   write_ipv6_sysctl(interface, "use_optimistic", "1");
  return out;
}

bool has_ipv6(const CniResult& result) {
  return std::any_of(result.addresses.begin(), result.addresses.end(),
                     [](const CniAddress& address) { return address.address.address.v6; });
}

// A /128 has no neighbours that could have the address too: without optimism it needs no DAD.
IpAddress pod_address(const CniAddress& address, netlink::IfIndex link, const Ipv6& ipv6) {
  IpAddress out;
  out.link = link;
  out.ip = address.address;
  if (!out.ip.address.v6) return out;
  out.optimistic = ipv6.optimistic;
  out.no_dad = !ipv6.optimistic && out.ip.length == 128;
  return out;
}

Status put_loopback_up(netlink::Rtnl& there) {
  SLUICE_TRY(const auto loopback, there.link("lo"));
  if (loopback.up) return {};
  netlink::LinkChange up;
  up.up = true;
  return there.change_link(loopback.index, up);
}

}  // namespace

std::optional<os::NetNs> living_namespace(const Record& record, const std::string& given) {
  if (is_of_another_boot(record)) return std::nullopt;
  for (const auto& path : {given, record.netns}) {
    if (path.empty()) continue;
    auto pod = os::NetNs::open(path);
    if (pod && pod->inode() == record.netns_inode) return std::move(*pod);
  }
  return std::nullopt;
}

PodRules pod_rules(Dialect dialect, const Record& record) {
  PodRules out;
  const bool ours = dialect == Dialect::kSluice;
  const bool routed =
      record.engine != EngineState::kNone || (ours && record.ipam.kind != IpamKind::kNone);
  out.refuse_advertisements = routed && record.kind != PortKind::kUserSpace;
  out.routes_beside = !ours;
  return out;
}

Status bring_link_in(const os::NetNs& pod, const PodRules& rules,
                     const std::function<Status()>& bring) {
  if (!rules.refuse_advertisements) return bring();
  const auto accept_ra = open_default_accept_ra(pod);
  char before[16];
  const auto size = accept_ra ? ::pread(accept_ra.get(), before, sizeof before, 0) : -1;
  if (size <= 0 || ::pwrite(accept_ra.get(), "0", 1, 0) != 1) return bring();
  auto brought = bring();
  // It took a value, and takes the one that it had.
  [[maybe_unused]] const auto back =
      ::pwrite(accept_ra.get(), before, static_cast<std::size_t>(size), 0);
  return brought;
}

Status check_name_is_free(const os::NetNs& pod, const std::string& interface) {
  SLUICE_TRY(auto there, netlink::Rtnl::open_in(pod));
  const auto link = there.link(interface);  // the kernel looks among altnames too
  if (link) {
    auto taken = cni_fail(kInvalidEnvironment,
                          "CNI_IFNAME: '" + interface + "' exists in the pod already (link " +
                              std::to_string(link->index.value) + ", " + link->name + ")");
    taken.value().code = Code::kExists;
    return taken;
  }
  return link.error().code == Code::kNotFound ? Status{} : fail(link.error());
}

Status configure_pod(const os::NetNs& pod, const std::string& interface, const CniResult& addresses,
                     const PodRules& rules) {
  Ipv6 ipv6;
  SLUICE_CHECK_OK(pod.run_in([&]() -> Status {
    ipv6 = set_ipv6_up(interface, has_ipv6(addresses), rules);
    return {};
  }));
  SLUICE_TRY(auto there, netlink::Rtnl::open_in(pod));
  SLUICE_CHECK_OK(put_loopback_up(there));
  if (addresses.addresses.empty() && addresses.routes.empty()) return {};
  SLUICE_TRY(const auto link, there.link(interface));
  std::vector<IpAddress> wanted;
  for (const auto& address : addresses.addresses) {
    wanted.push_back(pod_address(address, link.index, ipv6));
  }
  auto routes = pod_routes(addresses, link.index);
  for (auto& route : routes) route.beside = rules.routes_beside;
  auto configured = there.configure(wanted, routes);
  if (configured) return {};
  return fail(std::move(configured).error().with("configuring " + interface + " in the pod"));
}

}  // namespace sluice::cni
