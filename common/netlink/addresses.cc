// SPDX-License-Identifier: Apache-2.0
// Rtnl: IPv4 addresses.
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/netlink/rtnl_impl.h"

namespace sluice::netlink {
namespace {

std::string name_of(const Address& address) {
  return "address " + address.ip.to_string() + "/" + std::to_string(address.prefix_length) +
         on_link(address.link);
}

Status put_address(MessageWriter& message, const Address& address) {
  if (address.prefix_length > 32) {
    return fail(Code::kInvalid, name_of(address) + ": prefix length " +
                                    std::to_string(address.prefix_length) +
                                    " is not allowed; 0 to 32 are");
  }
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = address.prefix_length;
  header.ifa_index = address.link.value;
  message.put_struct(header);
  message.put_ipv4(IFA_LOCAL, address.ip);
  message.put_ipv4(IFA_ADDRESS, address.ip);
  return {};
}

}  // namespace

Result<std::vector<Address>> Rtnl::addresses(IfIndex link) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_index = link.value;
  MessageWriter message(RTM_GETADDR, 0);
  message.put_struct(header);
  SLUICE_TRY(const auto replies, impl_->transport.dump(message, "list addresses" + on_link(link)));
  SLUICE_TRY(auto all, decode_all<Address>(replies, decode_address));
  // A kernel without strict checking answers with those of all links.
  if (link.value != 0) std::erase_if(all, [&](const Address& a) { return a.link != link; });
  return all;
}

Status Rtnl::add_address(const Address& address) {
  MessageWriter message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  SLUICE_CHECK_OK(put_address(message, address));
  return impl_->change(message, "add " + name_of(address), {EEXIST});
}

Status Rtnl::delete_address(const Address& address) {
  MessageWriter message(RTM_DELADDR, 0);
  SLUICE_CHECK_OK(put_address(message, address));
  return impl_->change(message, "delete " + name_of(address), {EADDRNOTAVAIL, ENODEV});
}

}  // namespace sluice::netlink
