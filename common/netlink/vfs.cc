// SPDX-License-Identifier: Apache-2.0
// Rtnl: the VFs of a PF.
#include <cerrno>

#include "common/netlink/rtnl_impl.h"

namespace sluice::netlink {

Status Rtnl::set_vf_attributes(IfIndex pf, std::uint16_t vf, const VfAttributes& wish) {
  if (wish == VfAttributes{}) return {};
  MessageWriter message(RTM_SETLINK, 0);
  message.put_struct(link_header(pf));
  const auto list = message.begin(IFLA_VFINFO_LIST | NLA_F_NESTED);
  SLUICE_CHECK_OK(put_vf_attributes(message, vf, wish));
  message.end(list);
  auto status = impl_->change(message, "set attributes of VF " + std::to_string(vf) + on_link(pf));
  // What drivers say to a VLAN protocol that they don't have.
  const bool protocol = !status && status.error().domain == Domain::kKernel &&
                        status.error().native == EPROTONOSUPPORT;
  if (protocol) status.error().code = Code::kUnsupported;
  return status;
}

Status Rtnl::set_vf_mac(IfIndex pf, std::uint32_t vf, const MacAddr& mac) {
  constexpr std::uint32_t kMaxVf = 0xffff;
  if (vf > kMaxVf) {
    return fail(Code::kInvalid, "VF " + std::to_string(vf) + on_link(pf) +
                                    " can't be; allowed are 0 to " + std::to_string(kMaxVf));
  }
  VfAttributes wish;
  wish.mac = mac;
  return set_vf_attributes(pf, static_cast<std::uint16_t>(vf), wish);
}

Result<VfAttributesByIndex> Rtnl::vf_attributes(IfIndex pf) {
  const std::string what = "read the VFs of link " + std::to_string(pf.value);
  if (pf.value == 0) return fail(Code::kNotFound, what + ": 0 is no link's index");
  MessageWriter message(RTM_GETLINK, 0);
  message.put_struct(link_header(pf));
  message.put_number(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_VF} | kSkipStats);
  SLUICE_TRY(const auto replies, impl_->transport.request(message, what));
  VfAttributesByIndex all;
  for (const auto& reply : replies) {
    if (reply.type != RTM_NEWLINK) continue;
    auto some = decode_vf_attributes(reply.message());
    if (!some) return fail(std::move(some).error().with(what));
    all.merge(*some);
  }
  return all;
}

}  // namespace sluice::netlink
