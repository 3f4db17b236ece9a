// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/veth.h"

#include "common/netlink/rtnetlink.h"

namespace sluice::cni {
namespace {

using netlink::Link;

constexpr std::string_view kKind = "veth";

Result<std::optional<Link>> find_link(netlink::Rtnl& rtnl, const std::string& name) {
  auto link = rtnl.link(name);
  if (link) return std::optional<Link>(std::move(*link));
  if (link.error().code == Code::kNotFound) return std::optional<Link>{};
  return fail(std::move(link).error());
}

void compare_inside(const Record& record, const Link& inside, std::vector<std::string>& out) {
  const auto& name = record.key.interface;
  if (!record.mac.is_zero() && inside.mac != record.mac) {
    out.push_back("the MAC of " + name + " is " + inside.mac.to_string() + ", not " +
                  record.mac.to_string());
  }
  if (record.mtu != 0 && inside.mtu != record.mtu) {
    out.push_back("the MTU of " + name + " is " + std::to_string(inside.mtu) + ", not " +
                  std::to_string(record.mtu));
  }
  if (!inside.up) out.push_back(name + " is down");
}

}  // namespace

Status make_veth(const Record& record, const os::NetNs& pod) {
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  netlink::VethEnd host, inside;
  host.name = record.veth;
  inside.name = record.key.interface;
  if (!record.mac.is_zero()) inside.mac = record.mac;
  if (record.mtu != 0) host.mtu = inside.mtu = record.mtu;
  inside.netns_fd = pod.fd();
  host.up = inside.up = true;
  auto made = here.add_veth(host, inside);
  if (made) return {};
  return fail(std::move(made).error().with("making the veth " + record.veth + " with " +
                                           record.key.interface + " in " + record.netns));
}

Status delete_veth(const Record& record) {
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  SLUICE_TRY(const auto link, find_link(here, record.veth));
  if (!link) return {};
  if (link->kind != kKind) {
    return fail(Code::kPrecondition, record.veth + " is a '" + link->kind + "', not a veth");
  }
  return here.delete_link(link->index);
}

Result<std::vector<std::string>> check_veth(const Record& record, const os::NetNs& pod) {
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  SLUICE_TRY(auto there, netlink::Rtnl::open_in(pod));
  SLUICE_TRY(const auto outside, find_link(here, record.veth));
  SLUICE_TRY(const auto inside, find_link(there, record.key.interface));
  std::vector<std::string> out;
  const auto is_veth = [](const std::optional<Link>& link) { return link && link->kind == kKind; };
  if (!is_veth(outside)) {
    out.push_back("the host's veth " + record.veth + " is gone");
  } else if (!outside->up) {
    out.push_back("the host's veth " + record.veth + " is down");
  }
  if (!is_veth(inside)) {
    out.push_back("the pod has no veth " + record.key.interface);
    return out;
  }
  compare_inside(record, *inside, out);
  if (is_veth(outside) && outside->peer != inside->index) {
    out.push_back(record.key.interface + " isn't the other end of " + record.veth);
  }
  return out;
}

}  // namespace sluice::cni
