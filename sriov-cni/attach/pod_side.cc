// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/pod_side.h"

#include <fcntl.h>

#include "common/netlink/rtnetlink.h"
#include "common/os/unique_fd.h"
#include "sriov-cni/config/cni_error.h"

namespace sluice::cni {
namespace {

// A router on the pod's segment would be the engine; nobody else's advertisements are welcome. Best
// effort: without IPv6, or with a read-only /proc, there is nothing to refuse.
Status refuse_router_advertisements(const std::string& interface) {
  const auto path = "/proc/sys/net/ipv6/conf/" + interface + "/accept_ra";
  const os::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd) [[maybe_unused]]
    const auto written = ::write(fd.get(), "0\n", 2);
  return {};
}

}  // namespace

Status check_name_is_free(const os::NetNs& pod, const std::string& interface) {
  SLUICE_TRY(auto there, netlink::Rtnl::open_in(pod));
  const auto link = there.link(interface);
  if (link) {
    return cni_fail(kInvalidEnvironment, "interface '" + interface +
                                             "' exists in the pod already (link " +
                                             std::to_string(link->index.value) + ")");
  }
  return link.error().code == Code::kNotFound ? Status{} : fail(link.error());
}

std::optional<os::NetNs> living_namespace(const Record& record, const std::string& given) {
  for (const auto& path : {given, record.netns}) {
    if (path.empty()) continue;
    auto pod = os::NetNs::open(path);
    if (pod && pod->inode() == record.netns_inode) return std::move(*pod);
  }
  return std::nullopt;
}

Status configure_beside(const os::NetNs& pod, const std::string& interface, Ipv4 ip) {
  SLUICE_CHECK_OK(pod.run_in([&] { return refuse_router_advertisements(interface); }));
  SLUICE_TRY(auto there, netlink::Rtnl::open_in(pod));
  SLUICE_TRY(const auto link, there.link(interface));
  return there.add_address({link.index, ip, 32});
}

Status configure_pod(const os::NetNs& pod, const std::string& interface, Ipv4 ip, Ipv4 gateway) {
  SLUICE_CHECK_OK(pod.run_in([&] { return refuse_router_advertisements(interface); }));
  SLUICE_TRY(auto there, netlink::Rtnl::open_in(pod));
  SLUICE_TRY(const auto loopback, there.link("lo"));
  netlink::LinkChange up;
  up.up = true;
  SLUICE_CHECK_OK(there.change_link(loopback.index, up));
  SLUICE_TRY(const auto link, there.link(interface));
  SLUICE_CHECK_OK(there.add_address({link.index, ip, 32}));
  netlink::Route to_gateway;
  to_gateway.destination = {gateway, 32};
  to_gateway.link = link.index;
  to_gateway.link_scope = true;
  SLUICE_CHECK_OK(there.replace_route(to_gateway));
  netlink::Route by_default;
  by_default.gateway = gateway;
  by_default.link = link.index;
  return there.replace_route(by_default);
}

}  // namespace sluice::cni
