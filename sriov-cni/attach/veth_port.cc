// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/veth_port.h"

#include "common/netlink/rtnetlink.h"

namespace sluice::cni {

Status make_veth(const Record& record, const os::NetNs& pod, std::uint32_t mtu) {
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  netlink::VethEnd host, inside;
  host.name = record.host_name;
  host.mtu = mtu;
  host.up = true;
  inside.name = record.interface;
  inside.mac = record.mac;
  inside.mtu = mtu;
  inside.netns_fd = pod.fd();
  inside.up = true;
  auto made = here.add_veth(host, inside);
  if (made) return {};
  return fail(std::move(made).error().with("making the veth " + record.host_name + " with " +
                                           record.interface + " in " + record.netns));
}

Status delete_veth(const Record& record) {
  SLUICE_TRY(auto here, netlink::Rtnl::open());
  const auto link = here.link(record.host_name);
  if (!link) return link.error().code == Code::kNotFound ? Status{} : fail(link.error());
  if (link->kind != "veth") {
    return fail(Code::kPrecondition, record.host_name + " is a '" + link->kind + "', not a veth");
  }
  return here.delete_link(link->index);
}

}  // namespace sluice::cni
